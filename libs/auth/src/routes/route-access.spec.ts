import {
  applyDecorators,
  Controller,
  Get,
  Inject,
  mixin,
  Scope,
  type DynamicModule,
  type Type,
} from '@nestjs/common';
import { APP_GUARD, REQUEST } from '@nestjs/core';
import { RouterExecutionContext } from '@nestjs/core/router/router-execution-context.js';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { BearerGuard, Permissions, Public, Scopes } from '../index.js';
import { asUser, AuthTestingModule } from '../testing/index.js';

type Method = (...args: unknown[]) => unknown;

/** Replaces the function of a method, as tracing and caching libraries do. */
const Traced = () => (_target: object, _name: string | symbol, descriptor: PropertyDescriptor) => {
  const method = descriptor.value as Method;
  descriptor.value = function (this: unknown, ...args: unknown[]) {
    return method.apply(this, args);
  };
};

/** The same with Nest's own metadata, as libraries for Nest do. */
const TracedForNest = () => (target: object, name: string | symbol, descriptor: PropertyDescriptor) => {
  const method = descriptor.value as Method;
  Traced()(target, name, descriptor);
  takeMetadata(method, descriptor.value as Method);
};

function takeMetadata(from: object, to: object): void {
  for (const key of Reflect.getMetadataKeys(from)) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, from), to);
  }
}

/** Replaces a class. */
const TracedClass =
  () =>
  <T extends new (...args: any[]) => object>(target: T) =>
    class extends target {} as T;

const ProxiedClass =
  () =>
  <T extends new (...args: any[]) => object>(target: T) =>
    new Proxy(target, {});

/** A custom decorator of an application. */
const ReadRoute = (path: string) => applyDecorators(Scopes('x'), Traced(), Get(path));

async function start(controllers: Type[], imports: DynamicModule[] = []): Promise<NestFastifyApplication> {
  const module = await Test.createTestingModule({
    imports: [AuthTestingModule.forRoot(), ...imports],
    controllers,
    providers: [{ provide: APP_GUARD, useExisting: BearerGuard }],
  }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
  await app.init();
  return app;
}

/** Status of a request without a user, by any user, and by a user with scope and permission `x`. */
async function statuses(app: NestFastifyApplication, url: string): Promise<number[]> {
  const callers = [{}, asUser(), asUser({ scopes: ['x'], permissions: ['x'] })];
  const answers = await Promise.all(callers.map((headers) => app.inject({ url, headers })));
  return answers.map(({ statusCode }) => statusCode);
}

describe('the requirements of a route are kept', () => {
  @Controller('wrapped')
  class WrappedController {
    @Get('inside') @Traced() @Scopes('x') inside() {}
    @Get('outside') @Scopes('x') @Traced() outside() {}
    @Get('twice') @Traced() @Scopes('x') @Traced() twice() {}
    @TracedForNest() @Get('nest') @Traced() @Scopes('x') nest() {}
    @Get('permission') @Traced() @Permissions('x') permission() {}
    @Get('both') @Scopes('x') @Traced() @Permissions('y') both() {}
    @Get('same') @Scopes('x') @Traced() @Scopes('y') same() {}
    @ReadRoute('composed') composed() {}
    @Get('open') @Traced() @Public() open() {}
  }

  class BaseController {
    @Get('list') @Scopes('x') list() {}
    @Get('about') @Public() about() {}
  }

  @Controller('inherited')
  class InheritedController extends BaseController {}

  @Controller('overridden')
  class OverriddenController extends BaseController {
    @Get('list') override list() {}
    @Get('about') override about() {}
  }

  @Controller('below')
  class BelowController extends OverriddenController {
    @Get('list') @Traced() override list() {}
  }

  @Controller('replaced')
  class ReplacedController extends BaseController {
    @Get('list') @Permissions('x') override list() {}
    @Get('about') @Scopes('x') override about() {}
  }

  @Controller('said-open')
  class SaidOpenController extends BaseController {
    @Get('list') @Public() override list() {}
  }

  function crud(scope: string): Type {
    class CrudController {
      @Get('list') @Traced() @Scopes(scope) list() {}
    }
    return mixin(CrudController);
  }

  @Controller('mixed-in')
  class MixedInController extends crud('x') {}

  @Controller('copied')
  class CopiedController {}
  Object.defineProperties(
    CopiedController.prototype,
    Object.getOwnPropertyDescriptors(crud('x').prototype as object),
  );

  @Controller('bound')
  class BoundController {
    constructor() {
      this.list = this.list.bind(this);
    }
    @Get('list') @Scopes('x') list() {}
  }

  @Controller({ path: 'per-request', scope: Scope.REQUEST })
  class PerRequestController {
    constructor(@Inject(REQUEST) readonly request: object) {}
    @Get('list') @Traced() @Scopes('x') list() {}
  }

  @Controller({ path: 'transient', scope: Scope.TRANSIENT })
  class TransientController {
    @Get('list') @Traced() @Scopes('x') list() {}
  }

  @Controller({ path: 'durable', scope: Scope.REQUEST, durable: true })
  class DurableController extends PerRequestController {
    constructor(@Inject(REQUEST) request: object) {
      super(request);
    }
    @Get('list') override list() {}
  }

  @Controller({ path: 'bound-per-request', scope: Scope.REQUEST })
  class BoundPerRequestController extends PerRequestController {
    constructor(@Inject(REQUEST) request: object) {
      super(request);
      this.list = this.list.bind(this);
    }
  }

  @Controller('class-inside')
  @TracedClass()
  @Scopes('x')
  class ClassInsideController {
    @Get('list') list() {}
  }

  @Scopes('x')
  @TracedClass()
  @Controller('class-outside')
  class ClassOutsideController {
    @Get('list') list() {}
  }

  @Controller('class-proxied')
  @Scopes('x')
  @ProxiedClass()
  class ClassProxiedController {
    @Get('list') list() {}
  }

  const namesakes = ['x', 'y'].map((scope) => {
    @Controller(`namesake-${scope}`)
    class NamesakeController {
      @Get('list') @Traced() @Scopes(scope) list() {}
    }
    return NamesakeController;
  });

  let app: NestFastifyApplication;

  beforeAll(async () => {
    app = await start([
      WrappedController,
      InheritedController,
      OverriddenController,
      BelowController,
      ReplacedController,
      SaidOpenController,
      MixedInController,
      CopiedController,
      BoundController,
      PerRequestController,
      TransientController,
      DurableController,
      BoundPerRequestController,
      ClassInsideController,
      ClassOutsideController,
      ClassProxiedController,
      ...namesakes,
    ]);
  });

  afterAll(async () => {
    await app.close();
  });

  const closed = [401, 403, 200];
  const open = [200, 200, 200];

  it.each([
    ['below a decorator that wraps the method', '/wrapped/inside', closed],
    ['above one', '/wrapped/outside', closed],
    ['between two', '/wrapped/twice', closed],
    ['below one that takes metadata along, and one that does not', '/wrapped/nest', closed],
    ['a permission below one', '/wrapped/permission', closed],
    ['a scope above one and a permission below it', '/wrapped/both', [401, 403, 403]],
    ['scopes above and below one', '/wrapped/same', [401, 403, 403]],
    ["by an application's own decorator", '/wrapped/composed', closed],
    ['@Public() below one', '/wrapped/open', open],
    ['in a class that it is inherited from', '/inherited/list', closed],
    ['@Public() there', '/inherited/about', open],
    ['in a class whose handler is overridden', '/overridden/list', closed],
    ['but not @Public(), when the handler is overridden', '/overridden/about', [401, 200, 200]],
    ['two classes above, overridden and wrapped', '/below/list', closed],
    ['a scope above and a permission in the subclass', '/replaced/list', closed],
    ['@Public() above and a scope in the subclass', '/replaced/about', closed],
    ['a scope above, and @Public() on the very handler that overrides', '/said-open/list', open],
    ['in a mixin', '/mixed-in/list', closed],
    ['in a class that methods are copied from', '/copied/list', closed],
    ['of a method that the constructor binds', '/bound/list', closed],
    ['of a controller that is made for each request', '/per-request/list', closed],
    ['of one that is transient', '/transient/list', closed],
    ['of one that is durable', '/durable/list', closed],
    ['on a class, below a decorator that puts another one in its place', '/class-inside/list', closed],
    ['on a class, above one', '/class-outside/list', closed],
    ['on a class, above one that makes a proxy', '/class-proxied/list', closed],
    ['in one of two classes of a name', '/namesake-x/list', closed],
    ['in the other one', '/namesake-y/list', [401, 403, 403]],
  ])('%s', async (_title, url, expected) => {
    expect(await statuses(app, url)).toEqual(expected);
    // From memory.
    expect(await statuses(app, url)).toEqual(expected);
  });

  it('or no request is let in', async () => {
    expect(await statuses(app, '/bound-per-request/list')).toEqual([500, 500, 500]);
  });
});

/** As in OpenTelemetry's instrumentation of Nest. */
function wrapRoutes(): () => void {
  const { prototype } = RouterExecutionContext;
  const create = Reflect.get<typeof prototype, 'create'>(prototype, 'create');
  prototype.create = function (instance, callback, ...rest) {
    const wrapper = function (this: unknown, ...args: unknown[]): unknown {
      return (callback as Method).apply(this, args);
    };
    takeMetadata(callback, wrapper);
    return create.call(this, instance, wrapper, ...rest);
  };
  return () => (prototype.create = create);
}

it('the requirements of a route are kept when each handler is wrapped as it becomes a route', async () => {
  @Controller('static')
  class StaticController {
    @Get('wrapped') @Traced() @Scopes('x') wrapped() {}
    @Get('plain') plain() {}
    @Get('open') @Public() open() {}
  }
  @Controller({ path: 'scoped', scope: Scope.REQUEST })
  class ScopedController extends StaticController {
    @Get('wrapped') override wrapped() {}
  }
  const unwrap = wrapRoutes();
  try {
    const app = await start([StaticController, ScopedController]);
    for (const path of ['static', 'scoped']) {
      expect(await statuses(app, `/${path}/wrapped`)).toEqual([401, 403, 200]);
      expect(await statuses(app, `/${path}/plain`)).toEqual([401, 200, 200]);
      expect(await statuses(app, `/${path}/open`)).toEqual([200, 200, 200]);
    }
    await app.close();
  } finally {
    unwrap();
  }
});

describe('a decorator in the wrong place', () => {
  it.each([
    ['a getter', { get: () => undefined }],
    ['a property', undefined],
  ])('throws on %s', (_title, descriptor) => {
    for (const decorator of [Public(), Scopes('x'), Permissions('x')]) {
      expect(() => decorator(class {}.prototype, 'list', descriptor as never)).toThrow(
        /is for classes and methods, which "list" is not$/,
      );
    }
  });
});

import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  Catch,
  Controller,
  Get,
  Global,
  Inject,
  Injectable,
  Module,
  Query,
  Scope,
  UseGuards,
  VersioningType,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type DynamicModule,
  type ExecutionContext,
  type HttpException,
  type INestApplication,
  type Type,
} from '@nestjs/common';
import {
  APP_FILTER,
  APP_GUARD,
  APP_INTERCEPTOR,
  APP_PIPE,
  BaseExceptionFilter,
  HttpAdapterHost,
  NestFactory,
  REQUEST,
} from '@nestjs/core';
import { MessagePattern, Transport, ClientTCP } from '@nestjs/microservices';
import { PassportModule } from '@nestjs/passport';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { firstValueFrom } from 'rxjs';
import { rawRequest } from '@app/test-support/network/raw-http';
import { BearerGuard, BearerRefusal, CurrentUser, Public, Scopes, type Principal } from '../index.js';
import { invalidToken } from '../tokens/refusal.js';
import { bearerRefusal } from './bearer-refusal.js';
import { asUser, AuthTestingModule } from '../testing/index.js';

@Controller()
class RoutesController {
  @Get('me') me(@CurrentUser() user: Principal) {
    return user.subject;
  }
  @Get('read') @Scopes('x') read() {
    return 'read';
  }
  @MessagePattern('closed') closed() {
    return 'answered';
  }
  @MessagePattern('open') @Public() open() {
    return 'answered';
  }
}

const authenticated = (user: Partial<Principal> = {}) => ['Authorization', asUser(user).authorization];
const urlOf = (server: { address(): unknown }) =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

describe.each(['fastify', 'express'])('in an application on %s', (platform) => {
  let app: INestApplication | undefined;

  afterEach(async () => {
    await app?.close();
    app = undefined;
  });

  /** Guarded everywhere. */
  function guarded(parts: Pick<DynamicModule, 'imports' | 'controllers' | 'providers'> = {}): Type {
    @Module({
      controllers: parts.controllers ?? [RoutesController],
      imports: [AuthTestingModule.forRoot(), ...(parts.imports ?? [])],
      providers: [{ provide: APP_GUARD, useExisting: BearerGuard }, ...(parts.providers ?? [])],
    })
    class AppModule {}
    return AppModule;
  }

  async function create(module: Type): Promise<INestApplication> {
    const options = { logger: false, abortOnError: false } as const;
    app =
      platform === 'fastify'
        ? await NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter(), options)
        : await NestFactory.create(module, new ExpressAdapter(), options);
    return app;
  }

  async function start(module: Type, prepare?: (app: INestApplication) => unknown): Promise<string> {
    const created = await create(module);
    await prepare?.(created);
    await created.listen(0, '127.0.0.1');
    return urlOf(created.getHttpServer() as { address(): unknown });
  }

  describe('options that it sets for its own passport strategies', () => {
    @Controller()
    @UseGuards(BearerGuard)
    class GuardedController extends RoutesController {
      @Get('mine') mine(@CurrentUser() user: Principal) {
        return user.subject;
      }
    }

    @Global()
    @Module({})
    class EverywhereModule {}

    it.each([
      ['property', { property: 'account' }],
      ['defaultStrategy', { defaultStrategy: 'jwt' }],
      ['session', { session: true }],
      ['assignProperty', { assignProperty: 'account' }],
      ['failureRedirect', { failureRedirect: '/log-in', failWithError: true }],
      ['all', { property: 'x', defaultStrategy: 'x', session: true, assignProperty: 'x', authInfo: false }],
    ])('have no say in the guard: %s', async (_title, options) => {
      const passport = PassportModule.register(options);
      const everywhere: DynamicModule = {
        module: EverywhereModule,
        imports: [passport],
        exports: [passport],
      };
      const url = await start(guarded({ imports: [passport, everywhere], controllers: [GuardedController] }));
      for (const path of ['me', 'mine']) {
        const answer = await rawRequest(`${url}/${path}`, {
          headers: authenticated({ subject: 'auth0|ada' }),
        });
        expect(answer).toMatchObject({ status: 200, body: 'auth0|ada' });
      }
      expect(await rawRequest(`${url}/me`)).toMatchObject({ status: 401 });
    });
  });

  describe('a filter that changes a refusal', () => {
    const seen = new Set<unknown>();

    @Catch(BearerRefusal)
    class ChangingFilter extends BaseExceptionFilter {
      override catch(refusal: BearerRefusal, host: ArgumentsHost) {
        const body = refusal.getResponse() as Record<string, unknown>;
        body.path = host.switchToHttp().getRequest<{ url: string }>().url;
        Object.assign(refusal, { message: 'changed', challenge: 'changed' });
        seen.add(refusal).add(body);
        super.catch(refusal, host);
      }
    }

    it.each([
      ['no token', 'me', []],
      ['a malformed one', 'me', ['Authorization', 'Bearer !']],
      ['one that is not canonical', 'me', ['Authorization', 'Bearer short']],
      ['one that is refused', 'me', ['Authorization', 'Bearer some-other-token-0001']],
      ['one without the scope', 'read', authenticated()],
    ])('changes that answer alone: %s', async (_title, path, headers) => {
      seen.clear();
      const filter = {
        provide: APP_FILTER,
        inject: [HttpAdapterHost],
        useFactory: ({ httpAdapter }: HttpAdapterHost) => new ChangingFilter(httpAdapter),
      };
      const url = await start(guarded({ providers: [filter] }));
      const answers = [];
      for (const query of ['?first', '?second', '?third']) {
        answers.push(await rawRequest(`${url}/${path}${query}`, { headers }));
      }
      const [first, , third] = answers.map(
        ({ status, body, headers: { 'www-authenticate': challenge } }) => ({
          status,
          challenge,
          body: JSON.parse(body) as object,
        }),
      );
      expect(first?.challenge).toMatch(/^Bearer realm="api"/);
      expect(first?.body).toMatchObject({ path: `/${path}?first` });
      expect(third).toEqual({ ...first, body: { ...first?.body, path: `/${path}?third` } });
      expect(seen.size).toBe(6);
    });
  });

  describe('behind an adapter that leaves raw headers out', () => {
    let adapter: Server | undefined;

    afterEach(() => adapter?.close());

    /** As serverless-http and its like make requests: with `headers` alone. */
    async function serve(headersOf: (headers: IncomingMessage['headers']) => object): Promise<string> {
      const made = await create(guarded());
      await made.init();
      const instance: unknown = made.getHttpAdapter().getInstance();
      if (platform === 'fastify') await (instance as { ready(): Promise<void> }).ready();
      const handle =
        platform === 'fastify'
          ? (instance as { routing: RequestListener }).routing
          : (instance as RequestListener);
      const server = createServer((request, response) => {
        const headers = headersOf(request.headers);
        Object.assign(request, { headers, rawHeaders: [] });
        handle(request, response);
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      adapter = server;
      return urlOf(server);
    }

    const user = asUser({ subject: 'auth0|ada' }).authorization;
    const other = asUser({ subject: 'auth0|grace' }).authorization;

    it.each<[string, object, number]>([
      ['takes the only header', { authorization: user }, 200],
      ['takes it in a list of one', { authorization: [user] }, 200],
      ['takes it under a name of another case', { Authorization: user }, 200],
      ['refuses a list of two', { authorization: [user, other] }, 400],
      ['refuses a list of the same twice', { authorization: [user, user] }, 400],
      ['refuses two names of different case', { authorization: user, Authorization: other }, 400],
      ['refuses two joined headers', { authorization: `${user}, ${other}` }, 400],
      ['refuses two joined headers, one of them Basic', { authorization: `Basic eDp5, ${user}` }, 401],
      ['refuses an empty list', { authorization: [] }, 401],
      ['refuses a request without any', {}, 401],
      ['refuses another scheme', { authorization: 'Basic eDp5' }, 401],
      ['refuses a token that is not known', { authorization: 'Bearer some-other-token-0001' }, 401],
    ])('%s', async (_title, headers, status) => {
      const url = await serve(({ host }) => ({ host, ...headers }));
      const answer = await rawRequest(`${url}/me`);
      expect(answer.status).toBe(status);
      if (status === 200) expect(answer.body).toBe('auth0|ada');
      else expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="api"/);
    });
  });

  it('guards under a prefix and by version', async () => {
    @Controller({ path: 'things', version: '1' })
    class OneController {
      @Get() @Scopes('x') list() {
        return 'one';
      }
    }
    @Controller({ path: 'things', version: '2' })
    class TwoController extends OneController {
      @Get() override list() {
        return 'two';
      }
    }
    const url = await start(guarded({ controllers: [OneController, TwoController] }), (made) =>
      made.setGlobalPrefix('api').enableVersioning({ type: VersioningType.HEADER, header: 'X-Version' }),
    );
    for (const [version, body] of [
      ['1', 'one'],
      ['2', 'two'],
    ] as const) {
      const get = (headers: string[]) =>
        rawRequest(`${url}/api/things`, { headers: ['X-Version', version, ...headers] });
      expect(await get([])).toMatchObject({ status: 401 });
      expect(await get(authenticated())).toMatchObject({ status: 403 });
      expect(await get(authenticated({ scopes: ['x'] }))).toMatchObject({ status: 200, body });
    }
  });

  it('guards once more when a controller or a handler also names the guard', async () => {
    @Controller()
    @UseGuards(BearerGuard)
    class ThriceController {
      @Get('read') @UseGuards(BearerGuard) @Scopes('x') read() {
        return 'read';
      }
    }
    const url = await start(guarded({ controllers: [ThriceController] }));
    expect(await rawRequest(`${url}/read`, { headers: authenticated() })).toMatchObject({ status: 403 });
    const headers = authenticated({ scopes: ['x'] });
    expect(await rawRequest(`${url}/read`, { headers })).toMatchObject({ status: 200 });
  });

  it('refuses before pipes and interceptors of the application see the request, and takes no user of its middleware', async () => {
    const seen: string[] = [];
    const pipe = {
      provide: APP_PIPE,
      useValue: { transform: (value: unknown) => (seen.push('pipe'), value) },
    };
    const interceptor = {
      provide: APP_INTERCEPTOR,
      useValue: {
        intercept: (_context: unknown, next: CallHandler) => {
          seen.push('interceptor');
          return next.handle();
        },
      },
    };
    @Controller()
    class QueryController {
      @Get('me') me(@CurrentUser() user: Principal, @Query('q') q: string) {
        return `${user.subject} ${q}`;
      }
    }
    const url = await start(
      guarded({ controllers: [QueryController], providers: [pipe, interceptor] }),
      (created) => {
        const impersonate = (request: { user?: unknown }) => (request.user = { subject: 'auth0|root' });
        if (platform === 'express') {
          created.use((request: object, _response: unknown, next: () => void) => {
            impersonate(request);
            next();
          });
        } else {
          (created as NestFastifyApplication)
            .getHttpAdapter()
            .getInstance()
            .addHook('onRequest', async (request) => void impersonate(request as object));
        }
      },
    );
    expect(await rawRequest(`${url}/me?q=1`)).toMatchObject({ status: 401 });
    expect(seen).toEqual([]);
    const headers = authenticated({ subject: 'auth0|ada' });
    expect(await rawRequest(`${url}/me?q=1`, { headers })).toMatchObject({
      status: 200,
      body: 'auth0|ada 1',
    });
    expect(new Set(seen)).toEqual(new Set(['pipe', 'interceptor']));
  });

  it('works behind a guard of the application that also accepts a key', async () => {
    @Injectable()
    class KeyOrBearerGuard implements CanActivate {
      constructor(private readonly bearer: BearerGuard) {}
      canActivate(context: ExecutionContext) {
        const request = context.switchToHttp().getRequest<{ headers: Record<string, string> }>();
        return request.headers['x-key'] === 'the-key' || this.bearer.canActivate(context);
      }
    }
    @Module({
      controllers: [RoutesController],
      imports: [AuthTestingModule.forRoot()],
      providers: [{ provide: APP_GUARD, useClass: KeyOrBearerGuard }],
    })
    class KeyOrBearerModule {}
    const url = await start(KeyOrBearerModule);
    const get = (...headers: string[]) => rawRequest(`${url}/read`, { headers });
    expect(await get('X-Key', 'the-key')).toMatchObject({ status: 200 });
    expect(await get('X-Key', 'another')).toMatchObject({ status: 401 });
    expect(await get(...authenticated())).toMatchObject({ status: 403 });
    expect(await get(...authenticated({ scopes: ['x'] }))).toMatchObject({ status: 200 });
  });

  it('tells two users apart in a controller that is made for each request', async () => {
    @Controller({ scope: Scope.REQUEST })
    class PerRequestController {
      constructor(@Inject(REQUEST) private readonly request: { user: Principal }) {}
      @Get('me') me() {
        return this.request.user.subject;
      }
    }
    const url = await start(guarded({ controllers: [PerRequestController] }));
    const subjects = Array.from({ length: 20 }, (_, i) => `auth0|${i}`);
    const answers = await Promise.all(
      subjects.map((subject) => rawRequest(`${url}/me`, { headers: authenticated({ subject }) })),
    );
    expect(answers.map(({ body }) => body)).toEqual(subjects);
  });

  it('answers no message of a microservice that shares its guards, @Public() or not', async () => {
    let port = 0;
    await start(guarded(), async (made) => {
      const microservice = made.connectMicroservice(
        { transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } },
        { inheritAppConfig: true },
      );
      await made.startAllMicroservices();
      port = microservice.unwrap<{ address(): AddressInfo }>().address().port;
    });
    const client = new ClientTCP({ host: '127.0.0.1', port });
    for (const pattern of ['closed', 'open']) {
      await expect(firstValueFrom(client.send(pattern, {}))).rejects.toMatchObject({ status: 'error' });
    }
    client.close();
  });

  it('judges by the AuthModule that a module itself imports, when there are two', async () => {
    const part = (name: string): Type => {
      @Controller(name)
      @UseGuards(BearerGuard)
      class PartController {
        @Get() get() {
          return name;
        }
      }
      @Module({
        imports: [AuthTestingModule.forRoot({ audience: `https://${name}/`, realm: name })],
        controllers: [PartController],
      })
      class PartModule {}
      return PartModule;
    };
    @Module({ imports: [part('one'), part('two')] })
    class PartsModule {}
    const url = await start(PartsModule);
    const answers = ['one', 'two'].flatMap((name) =>
      ['one', 'two'].map(async (audience) => {
        const headers = authenticated({ audience: [`https://${audience}/`] });
        const { status, headers: answered } = await rawRequest(`${url}/${name}`, { headers });
        return [name, audience, status, answered['www-authenticate']?.split(',')[0]];
      }),
    );
    expect(await Promise.all(answers)).toEqual([
      ['one', 'one', 200, undefined],
      ['one', 'two', 401, 'Bearer realm="one"'],
      ['two', 'one', 401, 'Bearer realm="two"'],
      ['two', 'two', 200, undefined],
    ]);
  });
});

describe('refusals', () => {
  it('are exceptions like any other, without a stack trace', () => {
    const before = Error.stackTraceLimit;
    const refusal: HttpException = bearerRefusal(invalidToken('expired'), 'api');
    expect(Error.stackTraceLimit).toBe(before);
    expect(refusal).toBeInstanceOf(Error);
    expect(refusal.stack).not.toContain('\n');
    expect(new Error('after').stack).toContain('\n');
  });
});

import { Controller, Delete, Get, Inject, Scope, UseGuards, type Type } from '@nestjs/common';
import { APP_GUARD, REQUEST } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { BearerGuard, Permissions, Public, Scopes } from '../index.js';
import { AuthTestingModule } from '../testing/index.js';

async function start(...controllers: Type[]): Promise<NestFastifyApplication> {
  const module = await Test.createTestingModule({
    imports: [AuthTestingModule.forRoot()],
    controllers,
    providers: [{ provide: APP_GUARD, useExisting: BearerGuard }],
  }).compile();
  const app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
  return app.init();
}

const Traced = () => (_target: object, _name: string | symbol, descriptor: PropertyDescriptor) => {
  descriptor.value = () => undefined;
};

/** Nest then knows only the class below. */
const Proxied =
  () =>
  <T extends object>(target: T) =>
    new Proxy(target, {});

class BearerOrKeyGuard extends BearerGuard {}

@Controller('a')
@Public()
class HandlerAsksController {
  @Get() open() {}
  @Delete(':id') @Traced() @Scopes('x') remove() {}
}

@Controller('a')
@Public()
class HandlerIsGuardedController {
  @Get() @UseGuards(BearerOrKeyGuard) list() {}
}

@Controller('a')
class SameHandlerController {
  @Get('b') @Public() @Permissions('x') list() {}
}

@Controller('a')
@Scopes('x')
@Public()
class SameClassController {
  @Get() list() {}
}

@Scopes('x')
class AskingBase {
  @Get() list() {}
}

@Controller('a')
@Public()
class ChildOfAskingController extends AskingBase {}

@UseGuards(BearerGuard)
class GuardedBase {
  @Get() list() {}
}

@Controller('a')
@Public()
class ChildOfGuardedController extends GuardedBase {}

class BaseWithAskingHandler {
  @Get() @Scopes('x') list() {}
}

@Controller('a')
@Public()
class ChildOfAskingHandlerController extends BaseWithAskingHandler {
  @Get() override list() {}
}

@Public()
class PublicBase {
  @Get() list() {}
}

@Controller('a')
@Permissions('x')
class AskingChildController extends PublicBase {}

@Controller('a')
@UseGuards(BearerGuard)
class GuardedChildController extends PublicBase {}

@Controller({ path: 'a', scope: Scope.REQUEST })
@Public()
class PerRequestController {
  constructor(@Inject(REQUEST) readonly request: object) {}
  @Get() @Scopes('x') list() {}
}

@Controller('a')
@UseGuards(BearerGuard)
@Proxied()
class ProxiedController {
  @Get() list() {}
}

describe('an application does not start', () => {
  it.each<[string, Type, string]>([
    [
      'when a handler of a @Public() class asks something',
      HandlerAsksController,
      'DELETE /a/:id (HandlerAsksController.remove): @Public() on the class, or on one that it extends, contradicts @Scopes(x)',
    ],
    [
      'when a handler of a @Public() class is guarded',
      HandlerIsGuardedController,
      'GET /a (HandlerIsGuardedController.list): @Public() on the class, or on one that it extends, contradicts @UseGuards(BearerGuard)',
    ],
    [
      'when a handler is @Public() and asks something',
      SameHandlerController,
      'GET /a/b (SameHandlerController.list): @Public() contradicts @Permissions(x) on the same handler',
    ],
    ['when a class is @Public() and asks something', SameClassController, 'contradicts @Scopes(x)'],
    ['when a @Public() class extends one that asks', ChildOfAskingController, 'contradicts @Scopes(x)'],
    [
      'when a @Public() class extends a guarded one',
      ChildOfGuardedController,
      'GET /a (ChildOfGuardedController.list): @Public() on the class, or on one that it extends, contradicts @UseGuards(BearerGuard)',
    ],
    [
      'when a @Public() class overrides a handler that asked',
      ChildOfAskingHandlerController,
      'contradicts @Scopes(x)',
    ],
    ['when a class that asks extends a @Public() one', AskingChildController, 'contradicts @Permissions(x)'],
    [
      'when a guarded class extends a @Public() one',
      GuardedChildController,
      'contradicts @UseGuards(BearerGuard)',
    ],
    [
      'when a decorator hides that a class is guarded',
      ProxiedController,
      'GET /a (ProxiedController.list): a decorator has put another class in the place of the one that says who may use it',
    ],
    ['for a controller that is made for each request', PerRequestController, 'contradicts @Scopes(x)'],
  ])('%s', async (_title, controller, message) => {
    await expect(start(controller)).rejects.toThrow(message);
  });

  it('and names exactly the routes that are not clear', async () => {
    const error = await start(HandlerAsksController, SameHandlerController).catch((thrown: Error) => thrown);
    expect((error as Error).message.split('\n').map((line) => line.split(' (')[0])).toEqual([
      'Who may use a route is not clear.',
      'DELETE /a/:id',
      'GET /a/b',
    ]);
  });
});

@Controller('open')
@UseGuards(BearerGuard)
@Public()
class OpenController {
  @Get() list() {}
}

@Controller('about')
@Scopes('x')
class AboutController {
  @Get() @Public() about() {}
  @Get('more') more() {}
}

@Controller('open-child')
class OpenChildController extends PublicBase {}

describe('an application starts', () => {
  it.each([
    ['with a @Public() handler in a class that asks', '/about', 200],
    ['and goes on asking elsewhere in that class', '/about/more', 401],
    ['with a class that has both the guard and @Public() on itself', '/open', 200],
    ['with a class that extends a @Public() one', '/open-child', 200],
  ])('%s', async (_title, url, status) => {
    const app = await start(AboutController, OpenController, OpenChildController);
    expect((await app.inject(url)).statusCode).toBe(status);
    await app.close();
  });
});

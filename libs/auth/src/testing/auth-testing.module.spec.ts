import { Controller, Get, Post, Req, type DynamicModule, type Type } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { UserTokenClient } from '@app/user-token-client';
import { until } from '@app/test-support/timing/until';
import {
  AuthModule,
  BearerGuard,
  CurrentUser,
  Permissions,
  revoked,
  Scopes,
  TokenInspection,
  type Principal,
} from '../index.js';
import { asUser, AuthTestingModule } from './index.js';

let signal: AbortSignal;

@Controller('things')
class ThingsController {
  @Get() @Scopes('read:things') list(@CurrentUser() user: Principal) {
    return { subject: user.subject };
  }
  @Get('watched') watched(@Req() request: object) {
    signal = revoked(request);
    return new Promise((resolve) => signal.addEventListener('abort', () => resolve('ended')));
  }
  @Post() @Permissions('write:things') add() {
    return {};
  }
}

describe("a service's own test", () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot()],
      controllers: [ThingsController],
      providers: [{ provide: APP_GUARD, useExisting: BearerGuard }],
    }).compile();
    app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
    await app.init();
  });

  afterAll(async () => {
    await app.close();
  });

  it('has the user that it names, without a server', async () => {
    const headers = asUser({ subject: 'auth0|ada', scopes: ['read:things'] });
    const answer = await app.inject({ url: '/things', headers });
    expect(answer.json()).toEqual({ subject: 'auth0|ada' });
  });

  it.each<[string, Record<string, string>, 'GET' | 'POST', number]>([
    ['no user', {}, 'GET', 401],
    ['a user without the scope', asUser(), 'GET', 403],
    ['a user without the permission', asUser({ scopes: ['write:things'] }), 'POST', 403],
    ['a user with the permission', asUser({ permissions: ['write:things'] }), 'POST', 201],
    ['a user of another audience', asUser({ scopes: ['read:things'], audience: ['https://x/'] }), 'GET', 401],
    ['a user whose token has expired', asUser({ scopes: ['read:things'], expiresAtSeconds: 1 }), 'GET', 401],
    ['any other token', { authorization: 'Bearer some-other-token-0001' }, 'GET', 401],
  ])('meets the real guard: %s', async (_title, headers, method, status) => {
    expect((await app.inject({ method, url: '/things', headers })).statusCode).toBe(status);
  });

  it('finds everything that AuthModule exports', () => {
    const real = exportsOf(
      AuthModule.forRoot({ audience: 'https://api.test/', userToken: { urls: 'tcp://127.0.0.1:1' } }),
    );
    expect(new Set(exportsOf(AuthTestingModule.forRoot()))).toEqual(new Set(real));
    for (const token of real) expect(app.get(token as Type)).toBeDefined();
  });

  it('inspects tokens', async () => {
    const inspection = app.get(TokenInspection);
    const token = asUser({ subject: 'auth0|ada' }).authorization.replace('Bearer ', '');
    expect(await inspection.principalOf(token, ['https://api.test/'], undefined)).toMatchObject({
      subject: 'auth0|ada',
    });
    expect(
      await inspection.principalOf('some-other-token-0001', ['https://api.test/'], undefined),
    ).toBeUndefined();
  });

  it('has a user-token that is away, unless a spec answers for it', async () => {
    const userToken = app.get(UserTokenClient);
    const login = userToken.login({ username: 'ada', password: 'x' });
    await expect(login).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('revokes a user, and with that the open requests of this user', async () => {
    const headers = asUser({ subject: 'auth0|mallory' });
    const answer = app.inject({ url: '/things/watched', headers }).then(({ payload }) => payload);
    await until(() => signal !== undefined);
    await app.get(UserTokenClient).revokeSubject({ subject: 'auth0|mallory' });
    expect(await answer).toBe('ended');
    expect((await app.inject({ url: '/things/watched', headers })).statusCode).toBe(401);
  });
});

function exportsOf(module: DynamicModule): unknown[] {
  return (module.exports ?? []).flatMap((one) =>
    typeof one === 'object' && 'module' in one ? exportsOf(one) : [one],
  );
}

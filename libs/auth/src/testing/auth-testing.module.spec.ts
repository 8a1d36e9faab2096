import { Controller, Get, Post } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { BearerGuard, CurrentUser, Permissions, Scopes, type Principal } from '../index.js';
import { asUser, AuthTestingModule } from './index.js';

@Controller('things')
class ThingsController {
  @Get() @Scopes('read:things') list(@CurrentUser() user: Principal) {
    return { subject: user.subject };
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

  it('is whoever it says, without a server', async () => {
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
});

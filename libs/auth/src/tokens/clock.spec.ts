import { Controller, Get, type INestApplication } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { BearerGuard } from '../http/bearer.guard.js';
import { Clock } from './clock.js';
import { AuthTestingModule } from '../testing/auth-testing.module.js';
import { asUser } from '../testing/test-users.js';

@Controller()
class RouteController {
  @Get() route() {
    return 'in';
  }
}

describe('a guard on a machine whose clock is wrong', () => {
  let app: INestApplication;

  afterEach(() => app.close());

  it.each([
    ['lets a token in until its end by the time of user-token', 59, 200],
    ['lets no token in from its end on, whatever the clock of this machine says', 60, 401],
    ['lets a token in that has ended only by the clock of this machine', -3_600, 200],
  ])('%s', async (_title, aheadSeconds, status) => {
    const module = await Test.createTestingModule({
      imports: [AuthTestingModule.forRoot()],
      controllers: [RouteController],
      providers: [{ provide: APP_GUARD, useExisting: BearerGuard }],
    })
      .overrideProvider(Clock)
      .useValue({ nowSeconds: () => nowSeconds + aheadSeconds })
      .compile();
    const application = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter());
    app = application;
    await application.init();
    await application.getHttpAdapter().getInstance().ready();
    const nowSeconds = Math.floor(Date.now() / 1000);
    const expiresAtSeconds = aheadSeconds < 0 ? nowSeconds - 60 : nowSeconds + 60;
    const headers = asUser({ subject: 'auth0|ada', expiresAtSeconds });
    const answer = await application.inject({ method: 'GET', url: '/', headers });
    expect(answer.statusCode).toBe(status);
  });
});

import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AuthModule, BearerGuard, CurrentUser, type Principal } from '@app/auth';
import { openStore, type SharedStore } from '@app/redis';
import { setTimeout as delay } from 'node:timers/promises';
import { active, startFakeUserToken, type FakeUserToken } from '../../support/fake-user-token.js';
import { RedisServer } from '../../support/redis-server.js';

@Controller('me')
@UseGuards(BearerGuard)
class MeController {
  @Get() me(@CurrentUser() { subject }: Principal): { subject: string } {
    return { subject };
  }
}

const USERS = 200;
const REQUESTS_EACH = 50;
const USERS_AT_A_TIME = 10;

const tokenOf = (user: number) => `opaque-token-of-user-${String(user).padStart(4, '0')}`;
const subjectOf = (token: string) => `auth0|${token.slice(-4)}`;

describe('who a request speaks for', () => {
  let redis: RedisServer;
  let store: SharedStore;
  let userToken: FakeUserToken;
  let app: NestFastifyApplication;
  let url: string;

  beforeAll(async () => {
    redis = await RedisServer.start();
    userToken = await startFakeUserToken();
    userToken.behave(async (token) => {
      await delay(Math.random() * 60);
      return active({ subject: subjectOf(token) });
    });
    store = openStore(redis.url);

    @Module({
      imports: [
        AuthModule.forRoot({
          audience: 'https://api.test/',
          userToken: { urls: userToken.url },
          store,
          cache: { secret: 'a-secret-that-seals-the-token-cache-entries' },
        }),
      ],
      controllers: [MeController],
    })
    class MeModule {}

    app = await NestFactory.create<NestFastifyApplication>(
      MeModule,
      new FastifyAdapter({ forceCloseConnections: true }),
      { logger: false },
    );
    await app.listen(0, '127.0.0.1');
    url = `${await app.getUrl()}/me`;
  });

  afterAll(async () => {
    await app.close();
    await store.close();
    await userToken.stop();
    await redis.stop();
  });

  /** The subject that was answered; undefined when the client went away. */
  async function ask(token: string): Promise<string | undefined> {
    const goesAway = Math.random() < 0.1;
    const signal = goesAway ? AbortSignal.timeout(Math.ceil(Math.random() * 40)) : null;
    try {
      const response = await fetch(url, { headers: { authorization: `Bearer ${token}` }, signal });
      expect(response.status).toBe(200);
      return ((await response.json()) as { subject: string }).subject;
    } catch (error) {
      if (signal?.aborted) return undefined;
      throw error;
    }
  }

  it('is never somebody else, for 200 users with 50 requests each, clients that leave and connections that break', async () => {
    let going = true;
    const breaking = (async () => {
      while (going) {
        await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal');
        await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await delay(150);
      }
    })();
    let answered = 0;
    const strangers: string[] = [];
    for (let first = 0; first < USERS; first += USERS_AT_A_TIME) {
      const requests = Array.from({ length: USERS_AT_A_TIME * REQUESTS_EACH }, async (_, index) => {
        const token = tokenOf(first + (index % USERS_AT_A_TIME));
        const subject = await ask(token);
        if (subject === undefined) return;
        answered += 1;
        if (subject !== subjectOf(token)) strangers.push(`${subject} for ${subjectOf(token)}`);
      });
      await Promise.all(requests);
    }
    going = false;
    await breaking;
    expect(strangers).toEqual([]);
    expect(answered).toBeGreaterThan(USERS * REQUESTS_EACH * 0.8);
    expect(answered).toBeLessThan(USERS * REQUESTS_EACH);
  }, 60_000);
});

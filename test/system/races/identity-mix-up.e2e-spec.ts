import { Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Controller, Get, Module, UseGuards, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AuthModule, BearerGuard, CurrentUser, type Principal } from '@app/auth';
import { openStore, type SharedStore } from '@app/store';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { giveGeneration } from '@app/test-support/redis/store-generation';
import { active, startFakeUserToken, type FakeUserToken } from '@app/test-support/suite/fake-user-token';

const USERS = 200;
const REQUESTS_EACH = 50;
const USERS_AT_A_TIME = 10;
/** One client of this many does not wait for its answer. */
const IMPATIENT = 9;
/** Room for some 20 principals only, so that both tiers answer. */
const CACHE_BYTES = 20_000;
const UPSTREAM_MS = 40;

interface User {
  readonly subject: string;
  readonly token: string;
}

@Controller()
@UseGuards(BearerGuard)
class WhoController {
  @Get() async who(@CurrentUser() user: Principal): Promise<{ subject: string }> {
    // A mix-up would happen while a request waits.
    await delay(Math.random() * 4);
    return { subject: user.subject };
  }
}

/** Half of them are opaque, half are JWTs, with a claimed subject that names the epoch. */
function newUser(index: number): User {
  const subject = `auth0|user-${String(index).padStart(4, '0')}`;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token =
    index % 2 === 0
      ? `opaque-${Buffer.from(subject).toString('base64url')}`
      : [part({ alg: 'RS256' }), part({ sub: subject }), part({ not: 'checked here' })].join('.');
  return { subject, token };
}

describe('many users at once', () => {
  const users = Array.from({ length: USERS }, (_, index) => newUser(index));
  const subjects = new Map(users.map(({ token, subject }) => [token, subject]));
  const agent = new Agent({ keepAlive: true });
  const stores: SharedStore[] = [];
  const apps: INestApplication[] = [];
  let redis: RedisServer;
  let userToken: FakeUserToken;

  beforeAll(async () => {
    redis = await RedisServer.start();
    userToken = await startFakeUserToken();
    userToken.behave(async (token) => {
      await delay(Math.random() * UPSTREAM_MS);
      return active({ subject: subjects.get(token)! });
    });
    await Promise.all([startApp(), startApp()]);
    await giveGeneration(stores[0]!);
  });

  afterAll(async () => {
    agent.destroy();
    await Promise.all(apps.map((app) => app.close()));
    await Promise.all(stores.map((store) => store.close()));
    await userToken?.stop();
    await redis?.stop();
  });

  async function startApp(): Promise<void> {
    const store = openStore(redis.url);
    stores.push(store);
    @Module({
      imports: [
        AuthModule.forRoot({
          audience: 'https://api.test/',
          userToken: { urls: userToken.url },
          store,
          cache: { secret: 'a-secret-that-seals-the-token-cache-entries', maxBytes: CACHE_BYTES },
        }),
      ],
      controllers: [WhoController],
    })
    class WhoModule {}
    const app = await NestFactory.create<NestFastifyApplication>(WhoModule, new FastifyAdapter(), {
      logger: ['error'],
      abortOnError: false,
    });
    apps.push(app);
    await app.listen(0, '127.0.0.1');
  }

  const portOf = (app: INestApplication) =>
    (app.getHttpServer() as { address(): AddressInfo }).address().port;

  /** The answer, or undefined for a client that is gone. */
  function who(app: INestApplication, token: string, impatient: boolean): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      const asked = request(
        { host: '127.0.0.1', port: portOf(app), agent, headers: { authorization: `Bearer ${token}` } },
        (answer) => {
          let body = '';
          answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
          answer.on('end', () => resolve(`${answer.statusCode} ${body}`));
          answer.on('error', () => resolve(undefined));
        },
      );
      asked.on('error', (error) => (impatient ? resolve(undefined) : reject(error)));
      if (impatient) setTimeout(() => asked.destroy(), Math.random() * UPSTREAM_MS);
      asked.end();
    });
  }

  it('are never taken for one another', async () => {
    const wrong: string[] = [];
    let [answered, aborted, kills] = [0, 0, 0];
    let going = true;
    const killing = (async () => {
      while (going) {
        // Rare revocations only, so that the first tier keeps entries.
        await redis.cli('CLIENT', 'KILL', 'TYPE', kills % 4 === 3 ? 'pubsub' : 'normal');
        kills += 1;
        await delay(150);
      }
    })();
    const ask = async ({ subject, token }: User, turn: number) => {
      const answer = await who(apps[turn % apps.length]!, token, turn % IMPATIENT === IMPATIENT - 1);
      if (answer === undefined) aborted += 1;
      else answered += 1;
      if (answer !== undefined && answer !== `200 {"subject":"${subject}"}`)
        wrong.push(`${answer} for ${subject}`);
    };
    for (let from = 0; from < USERS; from += USERS_AT_A_TIME) {
      const now = users.slice(from, from + USERS_AT_A_TIME);
      // Some tokens that either tier may know, between the new ones.
      const before = users.slice(Math.max(0, from - 3 * USERS_AT_A_TIME), from);
      const turns = Array.from({ length: REQUESTS_EACH }, (_, turn) => turn);
      await Promise.all([
        ...turns.flatMap((turn) => now.map((user) => ask(user, turn))),
        ...before.map((user, turn) => ask(user, turn)),
      ]);
    }
    going = false;
    await killing;
    expect(wrong).toEqual([]);
    expect(answered).toBeGreaterThan(0.8 * USERS * REQUESTS_EACH);
    expect(aborted).toBeGreaterThan(100);
    expect(kills).toBeGreaterThan(5);
    // Far more answers than questions show that the caches were used.
    expect(userToken.asked.length).toBeLessThan(answered / 3);
  });
});

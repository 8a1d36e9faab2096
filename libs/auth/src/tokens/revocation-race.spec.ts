import type { AddressInfo } from 'node:net';
import { setImmediate as tick, setTimeout as delay } from 'node:timers/promises';
import { Controller, Get, Module, UseGuards } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { openStore, type SharedStore } from '@app/store';
import { EPOCH_CHANNEL, epochKey, subjectKey } from '@app/contract';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { giveGeneration } from '@app/test-support/redis/store-generation';
import { active, startFakeUserToken, type FakeUserToken } from '@app/test-support/suite/fake-user-token';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import { AuthModule, BearerGuard } from '../index.js';

const ROUNDS = 1_000;

@Controller()
@UseGuards(BearerGuard)
class RouteController {
  @Get() route() {
    return 'in';
  }
}

describe('a verdict under way while its subject is revoked', () => {
  let redis: RedisServer;
  let store: SharedStore;
  let userToken: FakeUserToken;
  let app: NestFastifyApplication;
  let url: string;

  beforeAll(async () => {
    redis = await RedisServer.start();
    store = openStore(redis.url, PATIENT);
    await new Promise<void>((resolve) => store.onAvailable(resolve));
    await giveGeneration(store);
    userToken = await startFakeUserToken();
    const auth = AuthModule.forRoot({
      audience: 'https://api.test/',
      userToken: { urls: userToken.url },
      store,
      cache: { secret: 'a-secret-that-seals-the-token-cache-entries' },
    });
    @Module({ imports: [auth], controllers: [RouteController] })
    class RouteModule {}
    app = await NestFactory.create<NestFastifyApplication>(RouteModule, new FastifyAdapter(), {
      logger: false,
    });
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}/`;
  });

  afterAll(async () => {
    await app.close();
    await store.close();
    await userToken.stop();
    await redis.stop();
  });

  const call = async (token: string): Promise<number> => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    await response.arrayBuffer();
    return response.status;
  };

  it(`is never cached back to life, in ${ROUNDS} races`, async () => {
    const revoked = new Set<string>();
    const epochs = new Map<string, string>();
    // As in user-token: denial and epoch are read together, and the answer takes time.
    userToken.behave(async (token) => {
      const subject = `auth0|${token}`;
      const verdict = revoked.has(token)
        ? ({ active: false, reason: 'revoked' } as const)
        : active({ subject }, epochs.get(subject) ?? '');
      for (let i = Math.floor(Math.random() * 6); i > 0; i -= 1) await tick();
      return verdict;
    });
    const revoke = async (token: string) => {
      const subject = `auth0|${token}`;
      const epoch = `epoch-of-${token}`;
      for (let i = Math.floor(Math.random() * 12); i > 0; i -= 1) await tick();
      revoked.add(token);
      epochs.set(subject, epoch);
      await store.writeAll([
        { op: 'set', key: epochKey(subject), value: epoch, ttlMs: 60_000 },
        {
          op: 'publish',
          channel: EPOCH_CHANNEL,
          message: JSON.stringify({ subjectKey: subjectKey(subject), epoch }),
        },
      ]);
    };
    let overtaken = 0;
    // When few verdicts are overtaken, more rounds are needed for enough real races.
    for (let round = 0; round < ROUNDS || overtaken < ROUNDS / 20; round += 1) {
      const token = `opaque-token-${String(round).padStart(8, '0')}`;
      const [status] = await Promise.all([call(token), revoke(token)]);
      if (status === 200) overtaken += 1;
      const after = await Promise.all([call(token), call(token)]);
      expect({ round, after }).toEqual({ round, after: [401, 401] });
    }
  }, 200_000);

  it('is not shared with a later request when user-token cannot tell the epoch of the verdict', async () => {
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let asked = 0;
    let ended = false;
    userToken.behave(async () => {
      const verdict = ended
        ? ({ active: false, reason: 'revoked' } as const)
        : { ...active({ subject: 'auth0|unvouched' }), epoch: null };
      if ((asked += 1) === 1) await held;
      return verdict;
    });
    const first = call('opaque-token-unvouched');
    await until(() => asked === 1);
    ended = true;
    const later = call('opaque-token-unvouched');
    await delay(100);
    release();
    expect([await first, await later]).toEqual([200, 401]);
  });
});

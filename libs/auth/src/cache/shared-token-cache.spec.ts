import { Test, type TestingModule } from '@nestjs/testing';
import { openStore, type SharedStore } from '@app/store';
import {
  EPOCH_CHANNEL,
  epochKey,
  GENERATION_KEY,
  principalKey,
  subjectKey,
  type Verdict,
} from '@app/contract';
import { asToken } from '@app/test-support/issuer/as-token';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { giveGeneration } from '@app/test-support/redis/store-generation';
import { active, startFakeUserToken, type FakeUserToken } from '@app/test-support/suite/fake-user-token';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import { AuthModule } from '../auth.module.js';
import { Clock } from '../tokens/clock.js';
import { PrincipalResolver } from '../tokens/principal-resolver.js';
import { credentialsOf } from './cache-keys.js';

const SUBJECT = 'auth0|ada';
const TTL_SECONDS = 300;
const keyOf = (token: string) => principalKey(asToken(token));
const REFUSED: Verdict = { active: false, reason: 'revoked' };

/** A clock that the spec moves. */
class MovedClock extends Clock {
  aheadSeconds = 0;
  override nowSeconds(): number {
    return Date.now() / 1000 + this.aheadSeconds;
  }
}

/** The guard's parts in a service, without HTTP. */
interface Guard {
  readonly store: SharedStore;
  readonly clock: MovedClock;
  /** The principal that the process tier knows for the token, without waiting. */
  known(token: string): string | undefined;
  resolve(token: string): Promise<Verdict>;
}

let serial = 0;
const opaque = () => `opaque-token-${String((serial += 1)).padStart(8, '0')}`;
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const jwt = () => [part({ alg: 'RS256' }), part({ sub: SUBJECT, jti: opaque() }), 'c2ln'].join('.');

describe('principals in Redis', () => {
  let redis: RedisServer;
  let userToken: FakeUserToken;
  const modules: TestingModule[] = [];
  const stores: SharedStore[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
    userToken = await startFakeUserToken();
  });

  afterAll(async () => {
    await userToken.stop();
    await redis.stop();
  });

  beforeEach(async () => {
    await redis.cli('FLUSHALL');
    userToken.behave(() => active());
    userToken.asked.length = 0;
  });

  afterEach(async () => {
    await Promise.all(modules.splice(0).map((module) => module.close()));
    await Promise.all(stores.splice(0).map((store) => store.close()));
  });

  async function openRedis(): Promise<SharedStore> {
    const store = openStore(redis.url, PATIENT);
    stores.push(store);
    await new Promise<void>((resolve) => store.onAvailable(resolve));
    return store;
  }

  /** @param maxBytes of the process tier, by default none */
  async function startGuard(maxBytes = 1, store?: SharedStore): Promise<Guard> {
    const opened = store ?? (await openRedis());
    const clock = new MovedClock();
    const auth = AuthModule.forRoot({
      audience: 'https://api.test/',
      userToken: { urls: userToken.url },
      store: opened,
      cache: {
        secret: 'a-secret-that-seals-the-token-cache-entries',
        ttlSeconds: TTL_SECONDS,
        maxBytes,
        refusalTtlMs: 0,
      },
    });
    const module = await Test.createTestingModule({ imports: [auth] })
      .overrideProvider(Clock)
      .useValue(clock)
      .compile();
    modules.push(module);
    const resolver = module.get(PrincipalResolver);
    return {
      store: opened,
      clock,
      known: (token) => resolver.known(credentialsOf(token), clock.nowSeconds())?.subject,
      resolve: (token) => resolver.resolve(keyOf(token), asToken(token), undefined),
    };
  }

  const stored = (token: string) => redis.cli('GET', keyOf(token));

  /** Shows the token to a guard, and waits until it is in Redis. */
  async function cache(guard: Guard, token: string): Promise<string> {
    expect(await guard.resolve(token)).toMatchObject({ active: true });
    await until(async () => (await stored(token)) !== '');
    return stored(token);
  }

  /** Whether a guard takes the token from Redis. */
  async function findsCached(guard: Guard, token: string): Promise<boolean> {
    const before = userToken.asked.length;
    expect(await guard.resolve(token)).toMatchObject({ active: true });
    return userToken.asked.length === before;
  }

  const revoke = (store: SharedStore, epoch: string, subject = SUBJECT) =>
    store.writeAll([
      { op: 'set', key: epochKey(subject), value: epoch, ttlMs: 60_000 },
      {
        op: 'publish',
        channel: EPOCH_CHANNEL,
        message: JSON.stringify({ subjectKey: subjectKey(subject), epoch }),
      },
    ]);

  /** A started server answers soon. */
  const untilBack = async (guards: readonly Guard[], formerId: string) =>
    until(() =>
      guards.every(({ store }) => store.available && store.serverId && store.serverId !== formerId),
    );

  describe.each([
    ['a JWT', jwt],
    ['an opaque token', opaque],
  ])('of %s', (_kind, newToken) => {
    it('count for every process, in the generation in which they were written', async () => {
      const [one, other] = [await startGuard(), await startGuard()];
      await giveGeneration(one.store);
      const token = newToken();
      await cache(one, token);
      expect(await findsCached(other, token)).toBe(true);
      await giveGeneration(one.store);
      expect(await findsCached(other, token)).toBe(false);
    });

    it('do not count when an older Redis has brought them back', async () => {
      const guards = [await startGuard(), await startGuard()];
      const [one, other] = guards as [Guard, Guard];
      await giveGeneration(one.store);
      const token = newToken();
      await cache(one, token);
      expect(await findsCached(other, token)).toBe(true);
      await redis.cli('SAVE');
      userToken.behave(() => REFUSED);
      await revoke(one.store, 'epoch-2');
      expect(await other.resolve(token)).toEqual(REFUSED);

      const formerId = one.store.serverId!;
      await redis.restart();
      await untilBack(guards, formerId);
      expect(await stored(token)).not.toBe('');
      for (const guard of [...guards, await startGuard()])
        expect(await guard.resolve(token)).toEqual(REFUSED);
      await giveGeneration(one.store);
      for (const guard of [...guards, await startGuard()])
        expect(await guard.resolve(token)).toEqual(REFUSED);
    });

    it('do not count when Redis was emptied and then restored completely', async () => {
      const [one, other] = [await startGuard(), await startGuard()];
      const generation = await giveGeneration(one.store);
      const token = newToken();
      const entry = await cache(one, token);
      expect(await findsCached(other, token)).toBe(true);
      await revoke(one.store, 'epoch-2');
      userToken.behave(() => REFUSED);

      await redis.cli('FLUSHALL');
      for (const guard of [one, other]) expect(await guard.resolve(token)).toEqual(REFUSED);
      await redis.cli('SET', keyOf(token), entry);
      for (const guard of [one, other]) expect(await guard.resolve(token)).toEqual(REFUSED);
      await redis.cli('SET', GENERATION_KEY, generation);
      for (const guard of [one, other]) expect(await guard.resolve(token)).toEqual(REFUSED);
      await giveGeneration(one.store);
      for (const guard of [one, other]) expect(await guard.resolve(token)).toEqual(REFUSED);
    });

    it('do not count in a generation that was replaced by another and then set back', async () => {
      const guard = await startGuard();
      const generation = await giveGeneration(guard.store);
      const token = newToken();
      await cache(guard, token);
      await giveGeneration(guard.store);
      expect(await findsCached(guard, token)).toBe(false);
      await cache(guard, newToken());
      const entry = await stored(token);
      await redis.cli('SET', GENERATION_KEY, generation);
      expect(await findsCached(guard, token)).toBe(false);
      expect(await stored(token)).toBe(entry);
    });
  });

  it.each<[string, (good: string, serverId: string) => string | undefined]>([
    ['is missing', () => undefined],
    ['is empty', () => ''],
    ['is garbage', () => 'garbage'],
    [
      'is of another server',
      (good, serverId) => good.replace(serverId, `${'0'.repeat(40)}.${'1'.repeat(40)}`),
    ],
    [
      'is of a server whose name only begins alike',
      (good, serverId) => good.replace(serverId, `${serverId}0`),
    ],
    ['names this server and nothing else', (_good, serverId) => serverId],
    ['names this server, and the rest is garbage', (_good, serverId) => `${serverId}/what/is/this`],
  ])('are neither read nor written while the generation %s', async (_title, valueOf) => {
    const guard = await startGuard();
    const good = await giveGeneration(guard.store);
    const value = valueOf(good, guard.store.serverId!);
    if (value === undefined) await redis.cli('DEL', GENERATION_KEY);
    else await redis.cli('SET', GENERATION_KEY, value);
    const token = jwt();
    for (let i = 0; i < 3; i += 1) expect(await findsCached(guard, token)).toBe(false);
    await giveGeneration(guard.store);
    await cache(guard, token);
    expect(await findsCached(guard, token)).toBe(true);
  });

  it('are written under the generation at the time of the question to user-token, not a later one', async () => {
    const guard = await startGuard();
    await giveGeneration(guard.store);
    const token = jwt();
    userToken.behave(async () => {
      await giveGeneration(guard.store);
      return active();
    });
    await cache(guard, token);
    userToken.behave(() => active());
    expect(await findsCached(guard, token)).toBe(false);
    await until(() => findsCached(guard, token));
  });

  it('are not written for a question asked while there was no generation', async () => {
    const guard = await startGuard();
    const token = jwt();
    userToken.behave(async () => {
      await giveGeneration(guard.store);
      return active();
    });
    expect(await findsCached(guard, token)).toBe(false);
    // This write comes after the one that must not happen.
    await cache(guard, jwt());
    expect(await stored(token)).toBe('');
  });

  it('do not count when Redis was emptied between the entry and the epoch', async () => {
    const store = openStore('memory:');
    stores.push(store);
    const guard = await startGuard(1, store);
    await giveGeneration(store);
    const token = opaque();
    await guard.resolve(token);
    await until(() => findsCached(guard, token));
    // Not announced: this is about the two trips alone.
    await store.set(epochKey(SUBJECT), 'epoch-2', { ttlMs: 60_000 });
    userToken.behave(() => REFUSED);
    const getMany = store.getMany.bind(store);
    store.getMany = async (keys, options) => {
      const values = await getMany(keys, options);
      if (keys.includes(keyOf(token))) {
        await store.delete(epochKey(SUBJECT));
        await store.delete(GENERATION_KEY);
      }
      return values;
    };
    expect(await guard.resolve(token)).toEqual(REFUSED);
  });

  it('do not affect the process tier, as long as it hears of revocations', async () => {
    const guard = await startGuard(1_000_000);
    await giveGeneration(guard.store);
    const token = jwt();
    await until(async () => {
      await guard.resolve(token);
      return guard.known(token) === SUBJECT;
    });
    await redis.cli('FLUSHALL');
    await guard.resolve(jwt());
    expect(guard.known(token)).toBe(SUBJECT);
    await revoke(guard.store, 'epoch-2');
    await until(() => guard.known(token) === undefined);
  });

  describe('count from the verdict on', () => {
    it('through both tiers of one process after the other', async () => {
      const [one, other] = [await startGuard(1_000_000), await startGuard(1_000_000)];
      await giveGeneration(one.store);
      const token = jwt();
      await until(async () => {
        await one.resolve(token);
        return one.known(token) === SUBJECT;
      });
      await cache(one, token);

      for (const { clock } of [one, other]) clock.aheadSeconds = TTL_SECONDS - 5;
      await until(async () => {
        expect(await findsCached(other, token)).toBe(true);
        return other.known(token) === SUBJECT;
      });
      for (const guard of [one, other]) {
        guard.clock.aheadSeconds = TTL_SECONDS;
        expect(guard.known(token)).toBeUndefined();
      }
      expect(await stored(token)).not.toBe('');
      expect(await findsCached(other, token)).toBe(false);
    });

    it('for no longer, even if the clock of its writer was ahead, or Redis keeps it for ever', async () => {
      const [ahead, other] = [await startGuard(), await startGuard(1_000_000)];
      await giveGeneration(ahead.store);
      ahead.clock.aheadSeconds = 100;
      const token = jwt();
      await cache(ahead, token);
      await redis.cli('PERSIST', keyOf(token));
      await until(async () => {
        expect(await findsCached(other, token)).toBe(true);
        return other.known(token) === SUBJECT;
      });
      other.clock.aheadSeconds = TTL_SECONDS + 1;
      expect(other.known(token)).toBeUndefined();
      other.clock.aheadSeconds = TTL_SECONDS + 101;
      expect(await findsCached(other, token)).toBe(false);
    });

    it('and end with the token, or with its time to ask again, by the clock of the guard', async () => {
      const guard = await startGuard(1_000_000);
      await giveGeneration(guard.store);
      const expiresAtSeconds = Math.floor(Date.now() / 1000) + 60;
      userToken.behave(() => active({ expiresAtSeconds }));
      const token = jwt();
      await until(async () => {
        await guard.resolve(token);
        return guard.known(token) === SUBJECT;
      });
      guard.clock.aheadSeconds = 30;
      expect(guard.known(token)).toBe(SUBJECT);
      expect(await findsCached(guard, token)).toBe(true);
      guard.clock.aheadSeconds = 60;
      expect(guard.known(token)).toBeUndefined();
      userToken.behave(() => ({ active: false, reason: 'expired' }));
      expect(await guard.resolve(token)).toEqual({ active: false, reason: 'expired' });
    });
  });

  describe('are sealed', () => {
    const secrets = { name: 'Ada-of-Lovelace', email: 'ada.lovelace@example.test' };

    it('so that they reveal nothing about their users', async () => {
      const guard = await startGuard();
      await giveGeneration(guard.store);
      const who = {
        subject: 'auth0|canary-subject',
        clientId: 'canary-client',
        scopes: ['canary:scope'],
        permissions: ['canary:permission'],
        claims: secrets,
      };
      userToken.behave(() => active(who));
      const token = jwt();
      await cache(guard, token);
      const dump = Object.entries(await redis.dump()).flat();
      const decoded = dump.flatMap((text) => [text, ...(text.match(/[\w-]{40,}/g) ?? []).map(fromBase64)]);
      for (const canary of ['canary', 'Lovelace', 'lovelace', 'issuer.test', token]) {
        expect(decoded.filter((text) => text.includes(canary))).toEqual([]);
      }
    });

    it('differently each time', async () => {
      const guard = await startGuard();
      await giveGeneration(guard.store);
      const token = jwt();
      const first = await cache(guard, token);
      await redis.cli('DEL', keyOf(token));
      expect(await cache(guard, token)).not.toBe(first);
    });

    it.each<[string, (value: string, another: string) => string]>([
      ['moved here from another token', (_, another) => another],
      ['in clear, as before they were sealed', () => `${'A'.repeat(43)}${JSON.stringify(['', active()])}`],
      ['cut off by a character', (value) => value.slice(0, -4)],
      ['cut off in the tag', (value) => value.slice(0, 30)],
      ['cut off in the nonce', (value) => value.slice(0, 4)],
      ['longer', (value) => `${value}AAAA`],
      ['with another nonce', (value) => changed(value, 3)],
      ['with another tag', (value) => changed(value, 20)],
      ['with a tag of four bytes', (value) => value.slice(0, 22) + '!'.repeat(16) + value.slice(38)],
      ['with another text', (value) => changed(value, 60)],
      ['not base64url', (value) => value.replace(/./g, '!')],
      ['empty', () => ''],
    ])('so that a value is a miss that is %s', async (_title, forge) => {
      const guard = await startGuard();
      await giveGeneration(guard.store);
      const [token, another] = [jwt(), jwt()];
      const [entry, foreign] = [await cache(guard, token), await cache(guard, another)];
      const valueOf = (json: string) => (JSON.parse(json) as { value: string }).value;
      const forged = JSON.stringify({ value: forge(valueOf(entry), valueOf(foreign)) });
      await redis.cli('SET', keyOf(token), forged);
      expect(await findsCached(guard, token)).toBe(false);
      expect(await findsCached(guard, another)).toBe(true);
    });

    it.each(['{', '[]', 'null', '7', '{"value":7}', '{"value":null}', '"x"'])(
      'so that %s is a miss',
      async (json) => {
        const guard = await startGuard();
        await giveGeneration(guard.store);
        const token = jwt();
        await redis.cli('SET', keyOf(token), json);
        expect(await findsCached(guard, token)).toBe(false);
      },
    );
  });
});

function fromBase64(text: string): string {
  return Buffer.from(text, 'base64url').toString('latin1');
}

function changed(value: string, at: number): string {
  return value.slice(0, at) + (value[at] === 'A' ? 'B' : 'A') + value.slice(at + 1);
}

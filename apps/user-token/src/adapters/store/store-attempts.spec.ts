import { setTimeout as delay } from 'node:timers/promises';
import { openStore, type SharedStore } from '@app/store';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import type { Attempt } from '../../core/log-in/attempts.js';
import { StoreAttempts, type AttemptTimes } from './store-attempts.js';

describe.each(['memory', 'redis'])('attempts to log in, at two user-tokens (%s)', (kind) => {
  let redis: RedisServer | undefined;
  let stores: SharedStore[];
  let users = 0;
  let username: string;

  beforeAll(async () => {
    redis = kind === 'redis' ? await RedisServer.start() : undefined;
    const first = openStore(redis?.url ?? 'memory:', PATIENT);
    stores = [first, redis ? openStore(redis.url, PATIENT) : first];
    await Promise.all(stores.map((store) => new Promise<void>((resolve) => store.onAvailable(resolve))));
  });

  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await redis?.stop();
  });

  beforeEach(() => {
    users += 1;
    username = `user-${users}@example.com`;
  });

  const LIMITS = { perAccount: 10, perAddress: 100, windowSeconds: 900 };
  function replicas(times: Partial<AttemptTimes> = {}): StoreAttempts[] {
    return stores.map((store) => new StoreAttempts(store, LIMITS, { leaseMs: 60_000, waitMs: 0, ...times }));
  }
  const isAttempt = (begun: Attempt | object): begun is Attempt => 'counts' in begun;
  async function begin(attempts: StoreAttempts, more: object = {}): Promise<Attempt> {
    const begun = await attempts.begin({ username, ...more });
    if (!isAttempt(begun)) throw new Error(`refused: ${JSON.stringify(begun)}`);
    return begun;
  }
  async function beginAll(attempts: StoreAttempts[], count: number): Promise<(Attempt | object)[]> {
    return Promise.all(Array.from({ length: count }, (_, i) => attempts[i % 2]!.begin({ username })));
  }
  const SECONDS = { retryAfterSeconds: 2 };

  it('that are undecided keep others waiting, until there is room again', async () => {
    const attempts = replicas({ waitMs: 60_000 });
    const begun = (await beginAll(attempts, 10)) as Attempt[];
    let late: Attempt | undefined;
    const waiting = begin(attempts[0]!).then((attempt) => (late = attempt));
    await delay(100);
    expect(late).toBeUndefined();
    await begun[3]!.succeeded();
    expect((await waiting).counts).toBe(true);
  });

  it('all pass, however many have the right password at once and behind one address', async () => {
    const attempts = replicas({ waitMs: 60_000 });
    const clientAddress = `203.0.113.${users}`;
    const logIn = async (i: number) => {
      const attempt = await begin(attempts[i % 2]!, { username: `${i % 10} ${username}`, clientAddress });
      await delay(20);
      await attempt.succeeded();
    };
    await Promise.all(Array.from({ length: 150 }, (_, i) => logIn(i)));
  });

  it('that stay undecided for longer than others wait cost those seconds, not the window', async () => {
    const attempts = replicas();
    const begun = await beginAll(attempts, 11);
    expect(begun.filter(isAttempt)).toHaveLength(10);
    expect(begun.find((one) => !isAttempt(one))).toEqual(SECONDS);
  });

  it('that failed cost the rest of the window, whatever else is undecided', async () => {
    const attempts = replicas();
    for (let i = 0; i < 9; i += 1) await (await begin(attempts[i % 2]!)).failed();
    const last = await begin(attempts[0]!);
    expect(await attempts[1]!.begin({ username })).toEqual(SECONDS);
    await last.failed();
    const refused = (await attempts[1]!.begin({ username })) as { retryAfterSeconds: number };
    expect(refused.retryAfterSeconds).toBeGreaterThan(800);
    expect(refused.retryAfterSeconds).toBeLessThanOrEqual(900);
  });

  it('are ten at the most that fail, however many guess at once and however quickly', async () => {
    const attempts = replicas({ waitMs: 60_000 });
    let asked = 0;
    const guess = async (i: number) => {
      const begun = await attempts[i % 2]!.begin({ username });
      if (!isAttempt(begun)) return;
      asked += 1;
      await delay(i % 7);
      await begun.failed();
    };
    await Promise.all(Array.from({ length: 300 }, (_, i) => guess(i)));
    expect(asked).toBe(10);
    expect(await attempts[0]!.begin({ username })).toEqual({ retryAfterSeconds: expect.any(Number) });
  });

  it('that succeed make no room for those that are undecided meanwhile', async () => {
    const attempts = replicas();
    const owner = await begin(attempts[0]!);
    const guesses = (await beginAll(attempts, 9)) as Attempt[];
    await owner.succeeded();
    await begin(attempts[1]!);
    expect(await attempts[0]!.begin({ username })).toEqual(SECONDS);
    for (const guess of guesses) await guess.failed();
    expect(await attempts[0]!.begin({ username })).toEqual(SECONDS);
  });

  it('that succeed forget the failures of the account, and not those of the address', async () => {
    const attempts = replicas();
    const clientAddress = `198.51.100.${users}`;
    for (let i = 0; i < 99; i += 1)
      await (await begin(attempts[0]!, { username: `${i} ${username}`, clientAddress })).failed();
    for (let i = 0; i < 3; i += 1) await (await begin(attempts[0]!, { clientAddress })).succeeded();
    await (await begin(attempts[0]!, { clientAddress })).failed();
    const refused = await attempts[0]!.begin({ username: `other ${username}`, clientAddress });
    expect(refused).toEqual({ retryAfterSeconds: expect.any(Number) });
    expect((refused as { retryAfterSeconds: number }).retryAfterSeconds).toBeGreaterThan(2);
    for (let i = 0; i < 8; i += 1) await (await begin(attempts[0]!)).failed();
    await (await begin(attempts[0]!)).succeeded();
    for (let i = 0; i < 10; i += 1) await (await begin(attempts[0]!)).failed();
  });

  it('that succeed as a look-alike, or at another connection, forget no failure: it may be another account', async () => {
    const attempts = replicas();
    for (let i = 0; i < 9; i += 1) await (await begin(attempts[0]!)).failed();
    await (await begin(attempts[0]!, { username: username.replace('u', 'ｕ') })).succeeded();
    await (await begin(attempts[0]!, { realm: 'partners' })).succeeded();
    await (await begin(attempts[0]!)).failed();
    expect(await attempts[0]!.begin({ username })).toEqual({ retryAfterSeconds: expect.any(Number) });
    const looksAlike = { username: username.toUpperCase().replace('U', 'Ｕ') };
    expect(await attempts[0]!.begin(looksAlike)).toEqual({ retryAfterSeconds: expect.any(Number) });
  });

  it('that name the connection of those that name none count with them', async () => {
    const limits = { ...LIMITS, defaultRealm: 'customers' };
    const attempts = new StoreAttempts(stores[0]!, limits, { leaseMs: 60_000, waitMs: 0 });
    for (let i = 0; i < 10; i += 1)
      await (await begin(attempts, i % 2 ? { realm: 'customers' } : {})).failed();
    expect(await attempts.begin({ username })).toEqual({ retryAfterSeconds: expect.any(Number) });
    expect(await attempts.begin({ username, realm: 'partners' })).toHaveProperty('failed');
  });

  it('that were not made, for the store answered too late, leave nothing behind', async () => {
    const [attempts] = replicas() as [StoreAttempts];
    const [store] = stores as [SharedStore];
    const holdAll = store.holdAll.bind(store);
    store.holdAll = async (...call) => {
      await holdAll(...call);
      throw new Error('too late');
    };
    for (let i = 0; i < 20; i += 1) await expect(attempts.begin({ username })).rejects.toThrow('too late');
    store.holdAll = holdAll;
    expect((await begin(attempts)).counts).toBe(true);
  });

  it('that stayed undecided leave nothing behind', async () => {
    const attempts = replicas();
    for (let i = 0; i < 30; i += 1) await (await begin(attempts[i % 2]!)).undecided();
  });

  it('that were lost with their process hold up no other attempt for longer than they may take, and no longer count', async () => {
    const [lost, others] = [replicas({ leaseMs: 100 }), replicas()];
    const begun = (await beginAll(lost, 10)) as Attempt[];
    await delay(150);
    expect(begun.map(({ counts }) => counts)).toEqual(Array.from({ length: 10 }, () => false));
    const next = (await beginAll(others, 10)) as Attempt[];
    expect(next.map(({ counts }) => counts)).toEqual(Array.from({ length: 10 }, () => true));
    // A process that was only paused may find out that it failed all the same.
    for (const attempt of begun) await attempt.failed();
    expect(await others[0]!.begin({ username })).toMatchObject({ retryAfterSeconds: expect.any(Number) });
  });
});

describe('attempts to log in from one address', () => {
  it('are those from an IPv4 address in either spelling, and from one /64', async () => {
    const store = openStore('memory:');
    const limits = { perAccount: 10, perAddress: 1, windowSeconds: 900 };
    const attempts = new StoreAttempts(store, limits, { leaseMs: 60_000, waitMs: 0 });
    const isIn = async (clientAddress: string) => {
      const begun = await attempts.begin({ username: clientAddress, clientAddress });
      if ('failed' in begun) await begun.failed();
      return 'failed' in begun;
    };
    expect(await isIn('::ffff:192.0.2.1')).toBe(true);
    expect(await isIn('192.0.2.1')).toBe(false);
    expect(await isIn('::ffff:192.0.2.2')).toBe(true);
    expect(await isIn('2001:db8:1:2::1')).toBe(true);
    expect(await isIn('2001:db8:1:2::2')).toBe(false);
    expect(await isIn('2001:db8:1:3::1')).toBe(true);
    await store.close();
  });
});

describe('attempts to log in that wait for others', () => {
  it('are a hundred at the most', async () => {
    const store = openStore('memory:');
    const limits = { perAccount: 1, perAddress: 1, windowSeconds: 900 };
    const attempts = new StoreAttempts(store, limits, { leaseMs: 60_000, waitMs: 60_000 });
    const first = (await attempts.begin({ username: 'ada' })) as Attempt;
    const others = Array.from({ length: 130 }, () => attempts.begin({ username: 'ada' }));
    expect(await Promise.all(others.slice(100))).toEqual(
      Array.from({ length: 30 }, () => ({ retryAfterSeconds: 2 })),
    );
    await first.failed();
    for (const refused of await Promise.all(others.slice(0, 100)))
      expect((refused as { retryAfterSeconds: number }).retryAfterSeconds).toBeGreaterThan(2);
    await store.close();
  });
});

import { setTimeout as delay } from 'node:timers/promises';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import { openStore, type HoldableLimit, type SharedStore } from './index.js';

describe.each(['memory', 'redis'])('a shared store (%s)', (kind) => {
  let redis: RedisServer | undefined;
  let store: SharedStore;

  beforeAll(async () => {
    redis = kind === 'redis' ? await RedisServer.start() : undefined;
    store = openStore(redis?.url ?? 'memory:', PATIENT);
    await new Promise<void>((resolve) => store.onAvailable(resolve));
  });

  afterAll(async () => {
    await store.close();
    await redis?.stop();
  });

  it('is available', () => {
    expect(store.available).toBe(true);
  });

  it('returns values in the order of the keys, null for an absent one', async () => {
    await store.set('a', '1', { ttlMs: 10_000 });
    await store.set('c', '3', { ttlMs: 10_000 });
    expect(await store.getMany(['c', 'b', 'a'])).toEqual(['3', null, '1']);
  });

  it('gives each caller of the same turn its own values', async () => {
    const keys = Array.from({ length: 1_500 }, (_, index) => `of-many-${index}`);
    await store.writeAll(keys.map((key) => ({ op: 'set', key, value: key, ttlMs: 10_000 })));
    const read = await Promise.all(keys.map((key) => store.getMany([key, 'absent'])));
    expect(read).toEqual(keys.map((key) => [key, null]));
  });

  it('forgets a value after its ttl', async () => {
    await store.set('short', 'x', { ttlMs: 2_000 });
    expect(await store.getMany(['short'])).toEqual(['x']);
    await until(async () => (await store.getMany(['short']))[0] === null, 10_000);
  });

  it('sets an absent key only once', async () => {
    expect(await store.setIfAbsent('once', 'first', { ttlMs: 10_000 })).toBe(true);
    expect(await store.setIfAbsent('once', 'second', { ttlMs: 10_000 })).toBe(false);
    expect(await store.getMany(['once'])).toEqual(['first']);
  });

  it('deletes a key that holds the value, and no other', async () => {
    await store.set('lock', 'mine', { ttlMs: 10_000 });
    expect(await store.deleteIfEqual('lock', 'yours')).toBe(false);
    expect(await store.deleteIfEqual('lock', 'mine')).toBe(true);
    expect(await store.getMany(['lock'])).toEqual([null]);
  });

  it('applies all writes of a transaction', async () => {
    await store.set('old', 'x', { ttlMs: 10_000 });
    await store.writeAll([
      { op: 'set', key: 'new', value: 'y', ttlMs: 10_000 },
      { op: 'delete', key: 'old' },
    ]);
    expect(await store.getMany(['old', 'new'])).toEqual([null, 'y']);
  });

  it('writes all, provided that a key still holds its former value', async () => {
    await store.set('fence', 'mine', { ttlMs: 10_000 });
    const writes = (value: string) =>
      [
        { op: 'set', key: 'fenced', value, ttlMs: 10_000 },
        { op: 'addMember', key: 'fenced:set', member: value, ttlMs: 10_000, max: 5 },
      ] as const;
    expect(await store.writeAllIfEqual('fence', 'mine', writes('1'))).toBe(true);
    expect(await store.writeAllIfEqual('fence', 'yours', writes('2'))).toBe(false);
    await store.delete('fence');
    expect(await store.writeAllIfEqual('fence', 'mine', writes('3'))).toBe(false);
    expect(await store.getMany(['fenced'])).toEqual(['1']);
    expect(await store.members('fenced:set')).toEqual(['1']);
    expect(await store.writeAllIfEqual('fenced', null, writes('4'))).toBe(false);
    expect(await store.writeAllIfEqual('fence', null, writes('5'))).toBe(true);
    expect(await store.getMany(['fenced'])).toEqual(['5']);
  });

  it('keeps each member of a set for its own time, and drops the oldest first', async () => {
    const add = (member: string, ttlMs: number) =>
      store.writeAll([{ op: 'addMember', key: 'set', member, ttlMs, max: 3 }]);
    for (const [member, ttlMs] of [
      ['a', 2_000],
      ['b', 20_000],
      ['c', 10_000],
    ] as const)
      await add(member, ttlMs);
    expect(await store.members('set')).toEqual(['b', 'c', 'a']);
    await until(async () => (await store.members('set')).length < 3, 10_000);
    expect(await store.members('set')).toEqual(['b', 'c']);
    for (const member of ['d', 'e']) await add(member, 30_000);
    expect([...(await store.members('set'))].sort()).toEqual(['b', 'd', 'e']);
    await store.writeAll([{ op: 'removeMember', key: 'set', member: 'd' }]);
    expect(await store.members('set')).toEqual(['e', 'b']);
    expect(await store.members('no such set')).toEqual([]);
  });

  it('keeps the last entries of a journal, in the order of their transactions', async () => {
    const append = (from: number, count: number) =>
      store.writeAll(
        Array.from({ length: count }, (_, i) => ({
          op: 'append',
          key: 'journal',
          value: `entry ${from + i}`,
          max: 200,
        })),
      );
    expect(await store.lastEntries('journal', { max: 3 })).toEqual([]);
    await append(0, 5);
    const last = await store.lastEntries('journal', { max: 3 });
    expect(last.map(({ value }) => value)).toEqual(['entry 4', 'entry 3', 'entry 2']);
    const before = await store.lastEntries('journal', { max: 3, before: last[2]!.id });
    expect(before.map(({ value }) => value)).toEqual(['entry 1', 'entry 0']);
    expect(await store.lastEntries('journal', { max: 3, before: before[1]!.id })).toEqual([]);
    await append(5, 995);
    const kept = await store.lastEntries('journal', { max: 1_000 });
    expect(kept.length).toBeGreaterThanOrEqual(200);
    expect(kept.length).toBeLessThan(500);
    expect(kept.map(({ value }) => value)).toEqual(kept.map((_, i) => `entry ${999 - i}`));
    expect(
      await store.writeAllIfEqual('no such key', null, [
        { op: 'append', key: 'journal', value: 'x', max: 200 },
      ]),
    ).toBe(true);
    expect(await store.lastEntries('journal', { max: 1 })).toMatchObject([{ value: 'x' }]);
  });

  it('counts up to a limit, under all keys or under none', async () => {
    const count = (...keys: string[]) =>
      store.countAll(
        keys.map((key) => ({ key, max: key === 'narrow' ? 2 : 10 })),
        { windowMs: 60_000 },
      );
    expect([await count('narrow', 'wide'), await count('narrow', 'wide')]).toEqual([undefined, undefined]);
    const waitMs = await count('narrow', 'wide');
    expect(waitMs).toBeGreaterThan(30_000);
    expect(waitMs).toBeLessThanOrEqual(60_000);
    expect(await store.getMany(['narrow', 'wide'])).toEqual(['2', '2']);
    await store.uncountAll(['narrow', 'wide', 'never counted']);
    expect(await store.getMany(['narrow', 'wide', 'never counted'])).toEqual(['1', '1', null]);
    expect(await count('narrow')).toBeUndefined();
  });

  it('counts exactly, however many ask at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => store.countAll([{ key: 'rush', max: 10 }], { windowMs: 10_000 })),
    );
    expect(answers.filter((waitMs) => waitMs === undefined)).toHaveLength(10);
  });

  it('counts anew after its window', async () => {
    const count = () => store.countAll([{ key: 'window', max: 1 }], { windowMs: 2_000 });
    expect(await count()).toBeUndefined();
    expect(await count()).toBeGreaterThan(0);
    await until(async () => (await count()) === undefined, 10_000);
  });

  describe('holds places', () => {
    let keys = 0;
    const limitsOf = (...maxima: number[]) =>
      maxima.map((max) => {
        keys += 1;
        return { key: `held-limit:${keys}`, heldKey: `holders:${keys}`, max };
      });
    const hold = (limits: ReturnType<typeof limitsOf>, holder: string, leaseMs = 60_000) =>
      store.holdAll(limits, { holder, leaseMs });

    it('up to a limit, at all of them or at none', async () => {
      const [narrow, wide] = limitsOf(2, 3) as [HoldableLimit, HoldableLimit];
      expect(await hold([narrow, wide], 'a')).toBeUndefined();
      expect(await hold([narrow, wide], 'b')).toBeUndefined();
      expect(await hold([narrow, wide], 'c')).toEqual({ reason: 'held' });
      expect(await hold([wide], 'd')).toBeUndefined();
      expect(await hold([wide], 'e')).toEqual({ reason: 'held' });
      expect(await store.getMany([narrow.key, wide.key])).toEqual([null, null]);
    });

    it('until they are given up, uncounted or counted', async () => {
      const limits = limitsOf(2);
      await hold(limits, 'a');
      await hold(limits, 'b');
      await store.giveUpAll(limits, { holder: 'a' });
      await store.giveUpAll(limits, { holder: 'without-a-place' });
      expect(await hold(limits, 'c')).toBeUndefined();
      await store.giveUpAll(limits, { holder: 'b', countForMs: 5_000 });
      expect(await hold(limits, 'd')).toEqual({ reason: 'held' });
      await store.giveUpAll(limits, { holder: 'c', countForMs: 5_000 });
      const answer = await hold(limits, 'd');
      expect(answer).toEqual({ reason: 'counted', waitMs: expect.any(Number) });
      const { waitMs } = answer as { waitMs: number };
      expect(waitMs).toBeGreaterThan(0);
      expect(waitMs).toBeLessThanOrEqual(5_000);
    });

    it('names the limit that is reached for longest, whatever is held elsewhere', async () => {
      const [held, counted] = limitsOf(1, 1) as [HoldableLimit, HoldableLimit];
      await hold([held], 'a');
      await store.giveUpAll([counted], { holder: 'b', countForMs: 60_000 });
      expect(await hold([held, counted], 'c')).toMatchObject({ reason: 'counted' });
    });

    it('no longer than their lease, and counts lost places when told to', async () => {
      const limits = limitsOf(1);
      await hold(limits, 'lost', 40);
      await delay(60);
      expect(await hold(limits, 'next', 40)).toBeUndefined();
      await delay(60);
      await store.giveUpAll(limits, { holder: 'lost', countForMs: 60_000 });
      expect(await hold(limits, 'third')).toMatchObject({ reason: 'counted' });
    });

    it('exactly, however many ask at once', async () => {
      const limits = limitsOf(10, 30);
      const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => hold(limits, `${i}`)));
      expect(answers.filter((answer) => answer === undefined)).toHaveLength(10);
    });

    it('counts as long as its first place, and then anew', async () => {
      const limits = limitsOf(1);
      await store.giveUpAll(limits, { holder: 'a', countForMs: 40 });
      await delay(60);
      expect(await hold(limits, 'b')).toBeUndefined();
    });
  });

  it('scans the keys of a prefix', async () => {
    for (let i = 0; i < 1200; i += 1) await store.set(`scan:${i}`, String(i), { ttlMs: 60_000 });
    await store.set('other:1', 'x', { ttlMs: 60_000 });
    const found = new Map<string, string>();
    for await (const { key, value } of store.scan('scan:')) found.set(key, value);
    expect(found.size).toBe(1200);
    expect(found.get('scan:7')).toBe('7');
  });

  it('delivers messages published in a transaction', async () => {
    const messages: string[] = [];
    const subscription = store.subscribe('news', (message) => messages.push(message));
    await until(() => subscription.live);
    await store.writeAll([
      { op: 'set', key: 'k', value: 'v', ttlMs: 1000 },
      { op: 'publish', channel: 'news', message: 'hello' },
    ]);
    await until(() => messages.length > 0);
    expect(messages).toEqual(['hello']);
    await subscription.close();
  });
});

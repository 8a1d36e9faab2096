import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import { openStore, StoreLock, type KeyValues, type SharedStore } from './index.js';

describe.each(['memory', 'redis'])('a lock in a shared store (%s)', (kind) => {
  let redis: RedisServer | undefined;
  let store: SharedStore;
  let nowMs: number;
  let one: StoreLock;
  let other: StoreLock;
  let keys: readonly string[];
  let names = 0;

  beforeAll(async () => {
    redis = kind === 'redis' ? await RedisServer.start() : undefined;
    store = openStore(redis?.url ?? 'memory:', PATIENT);
    await new Promise<void>((resolve) => store.onAvailable(resolve));
  });

  afterAll(async () => {
    await store.close();
    await redis?.stop();
  });

  beforeEach(() => {
    nowMs = 1_800_000_000_000;
    const options = { leaseMs: 60_000, clock: { nowMs: () => nowMs } };
    one = new StoreLock(store, options);
    other = new StoreLock(store, options);
    keys = [`lock-${(names += 1)}`, `lock-${names}-of-before`];
  });

  const note = (value: string) => [{ op: 'set', key: `note-${names}`, value, ttlMs: 60_000 }] as const;
  const noted = async () => (await store.getMany([`note-${names}`]))[0];

  it('has one holder, which may give it back', async () => {
    const held = await one.take(keys);
    expect(await other.take(keys)).toBeUndefined();
    await held!.release();
    expect(await other.take(keys)).toBeDefined();
  });

  it('has one holder, however many ask at once', async () => {
    const asked = await Promise.all(Array.from({ length: 20 }, () => one.take(keys)));
    expect(asked.filter((held) => held !== undefined)).toHaveLength(1);
  });

  it.each([0, 1])('has no second holder while another lock has one of its keys (%i)', async (index) => {
    const some = [keys[index]!];
    const held = await one.take(some);
    expect(await other.take(keys)).toBeUndefined();
    await held!.release();
    expect(await store.getMany(keys)).toEqual([null, null]);
  });

  it('is waited for', async () => {
    const held = await one.take(keys);
    let tries = 0;
    const unless = async () => {
      if ((tries += 1) === 3) await held!.release();
      return false;
    };
    expect(await other.take(keys, { waitMs: 60_000, unless })).toBeDefined();
    expect(tries).toBe(3);
  });

  it('is waited for up to a limit', async () => {
    await one.take(keys);
    expect(await other.take(keys, { waitMs: 30 })).toBeUndefined();
  });

  it('stays free when the one that waits needs it no more', async () => {
    let tries = 0;
    const held = await one.take(keys);
    expect(
      await other.take(keys, { waitMs: 60_000, unless: async () => (tries += 1) === 2 }),
    ).toBeUndefined();
    await held!.release();
    expect(await other.take(keys, { unless: async () => true })).toBeUndefined();
    expect(await store.getMany(keys)).toEqual([null, null]);
  });

  it('is in force for its lease', async () => {
    const held = await one.take(keys);
    nowMs += 59_999;
    expect(held!.isInForce).toBe(true);
    nowMs += 1;
    expect(held!.isInForce).toBe(false);
  });

  it('lets only its holder write', async () => {
    const held = await one.take(keys);
    expect(await held!.write(note('first'))).toBe(true);
    // As the end of the lease does.
    for (const key of keys) await store.delete(key);
    const next = await other.take(keys);
    expect(await held!.write(note('late'))).toBe(false);
    expect(await held!.writeAndRelease(note('late'))).toBe(false);
    expect(await noted()).toBe('first');
    await held!.release();
    expect(await next!.write(note('second'))).toBe(true);
    expect(await noted()).toBe('second');
  });

  it('ends with the last write, without another question to the store', async () => {
    let releases = 0;
    const deleteIfEqual: KeyValues['deleteIfEqual'] = async () => (releases += 1) > 0;
    const counting: KeyValues = Object.assign(Object.create(store), { deleteIfEqual });
    const held = await new StoreLock(counting, { leaseMs: 60_000, clock: store }).take(keys);
    expect(await held!.writeAndRelease(note('last'))).toBe(true);
    await held!.release();
    expect({ noted: await noted(), releases }).toEqual({ noted: 'last', releases: 0 });
    expect(await other.take(keys)).toBeDefined();
  });

  it('gives back what it has when the store fails halfway', async () => {
    let calls = 0;
    const failing: Pick<KeyValues, 'setIfAbsent' | 'deleteIfEqual'> = {
      setIfAbsent: (...call) =>
        (calls += 1) === 2 ? Promise.reject(new Error('no answer')) : store.setIfAbsent(...call),
      deleteIfEqual: (...call) => store.deleteIfEqual(...call),
    };
    const lock = new StoreLock(failing as KeyValues, { leaseMs: 60_000, clock: store });
    await expect(lock.take(keys)).rejects.toThrow('no answer');
    expect(await store.getMany(keys)).toEqual([null, null]);
  });
});

import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import { FaultProxy } from '@app/test-support/network/fault-proxy';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { MachinePauses } from '@app/test-support/timing/machine-pauses';
import { until } from '@app/test-support/timing/until';
import { openStore, StoreUnavailable, type SharedStore, type Subscription } from '../index.js';

/** The budget of a read is 100 ms, the rest is for pauses of this process; a hanging call takes for ever. */
const SOON_MS = 1_000;

describe('a store whose connection to Redis is in trouble', () => {
  let machine: MachinePauses;
  let redis: RedisServer;
  let proxy: FaultProxy;
  let store: SharedStore;
  let subscription: Subscription;

  beforeAll(async () => {
    machine = await MachinePauses.watch();
  });

  afterAll(() => machine.stop());

  beforeEach(async () => {
    redis = await RedisServer.start();
    proxy = await FaultProxy.start(redis.port);
    store = openStore(`redis://127.0.0.1:${proxy.port}`, { readTimeoutMs: 100 });
    await new Promise<void>((resolve) => store.onAvailable(resolve));
    subscription = store.subscribe('news', () => undefined);
    await until(() => subscription.live);
    await store.set('key', 'value', { ttlMs: 600_000 });
  });

  afterEach(async () => {
    await store.close();
    await proxy.stop();
    await redis.stop();
  });

  async function read(): Promise<{ value: string | null | undefined; durationMs: number }> {
    const startedAt = performance.now();
    const value = await store.getMany(['key']).then(
      ([found]) => found,
      (error: unknown) => {
        expect(error).toBeInstanceOf(StoreUnavailable);
        return undefined;
      },
    );
    return { value, durationMs: machine.tookMs(startedAt) };
  }

  it.each<[string, () => void]>([
    ['frozen', () => proxy.freeze()],
    ['slow by 200 ms', () => proxy.delay(100)],
    ['refused', () => proxy.cut()],
    ['cut in the middle of an answer', () => proxy.cutAfter(3)],
    ['answering with noise', () => proxy.garbage()],
  ])(
    '%s: a read waits for its budget once, then for nothing, and works again within a second',
    async (_title, fault) => {
      fault();
      const first = await read();
      expect(first.value).toBeUndefined();
      expect(first.durationMs).toBeLessThan(SOON_MS);
      const durations: number[] = [];
      for (let i = 0; i < 50; i += 1) durations.push((await read()).durationMs);
      expect(durations.sort((a, b) => a - b)[25]).toBeLessThan(5);
      await delay(300);

      proxy.pass();
      await until(async () => (await read()).value === 'value', 1_500);
      await until(() => subscription.live, 1_500);
    },
  );

  it('resets: a read is answered or fails, and never hangs', async () => {
    proxy.resetting(30);
    const durations: number[] = [];
    for (let i = 0; i < 60; i += 1) {
      const { value, durationMs } = await read();
      expect([undefined, 'value']).toContain(value);
      durations.push(durationMs);
      await delay(5);
    }
    expect(Math.max(...durations)).toBeLessThan(SOON_MS);
    proxy.pass();
    await until(async () => (await read()).value === 'value', 1_500);
  });
});

it('a pause of this process longer than the budget: answers from the pause are read, and the next read is tried', async () => {
  const redis = await RedisServer.start();
  const store = openStore(redis.url, { readTimeoutMs: 2_000 });
  await new Promise<void>((resolve) => store.onAvailable(resolve));
  await store.set('key', 'value', { ttlMs: 600_000 });
  for (const asked of ['in this turn', 'when it was sent']) {
    const values = ['key', 'absent'].map((key) => store.getMany([key]));
    if (asked === 'when it was sent') await nextTurn();
    const endMs = performance.now() + 3_000;
    while (performance.now() < endMs);
    expect(await Promise.all(values)).toEqual([['value'], [null]]);
    expect(store.available).toBe(true);
  }
  await store.close();
  await redis.stop();
}, 30_000);

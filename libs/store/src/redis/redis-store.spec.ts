import { setTimeout as delay } from 'node:timers/promises';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import { openStore, patient, StoreUnavailable, type SharedStore } from '../index.js';

describe('a store on a Redis in trouble', () => {
  let redis: RedisServer;
  let store: SharedStore;
  const reports: string[] = [];

  beforeEach(async () => {
    reports.length = 0;
    redis = await RedisServer.start();
    const log = { info: (line: string) => reports.push(line), warn: (line: string) => reports.push(line) };
    store = openStore(redis.url, { log });
    await new Promise<void>((resolve) => store.onAvailable(resolve));
  });

  afterEach(async () => {
    await store.close();
    await redis.stop();
  });

  it('rejects at once while Redis is dead, says so once, and works again after its restart', async () => {
    await redis.kill();
    await until(() => !store.available);
    await expect(store.getMany(['a'])).rejects.toThrow(StoreUnavailable);
    await expect(store.set('a', '1', { ttlMs: 1000 })).rejects.toThrow(StoreUnavailable);
    await delay(500);
    expect(reports).toHaveLength(1);
    await redis.restart();
    await until(() => store.available);
    await store.set('a', '1', { ttlMs: 1000 });
    expect(await store.getMany(['a'])).toEqual(['1']);
    expect(reports).toHaveLength(2);
  });

  it('settles every call on a frozen Redis, opens the breaker, and works again after the thaw', async () => {
    redis.freeze();
    const [slow] = await Promise.allSettled([store.getMany(['a'])]);
    expect(slow).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
    expect(store.available).toBe(false);
    await expect(store.writeAll([{ op: 'delete', key: 'a' }])).rejects.toThrow(StoreUnavailable);
    redis.thaw();
    await until(() => store.available);
    expect(await store.getMany(['a'])).toEqual([null]);
  });

  it('answers a patient read also while prompt reads fail at once', async () => {
    redis.freeze();
    await expect(store.getMany(['a'])).rejects.toThrow(StoreUnavailable);
    const patiently = store.getMany(['a'], patient(10_000));
    await expect(store.getMany(['a'])).rejects.toThrow('Redis is too slow at the moment');
    redis.thaw();
    expect(await patiently).toEqual([null]);
  });

  it('refuses a transaction as a whole when Redis is full', async () => {
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1');
    await expect(
      store.writeAll([
        { op: 'set', key: 'x', value: '1', ttlMs: 10_000 },
        { op: 'publish', channel: 'news', message: 'x is set' },
      ]),
    ).rejects.toThrow(StoreUnavailable);
    await redis.cli('CONFIG', 'SET', 'maxmemory', '0');
    expect(await store.getMany(['x'])).toEqual([null]);
  });

  it('refuses writes and still reads when Redis is a read-only replica', async () => {
    await store.set('x', '1', { ttlMs: 60_000 });
    await redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '1');
    await expect(store.set('y', '1', { ttlMs: 60_000 })).rejects.toThrow(StoreUnavailable);
    expect(await store.getMany(['x'])).toEqual(['1']);
  });

  it('is not live after the loss of its connection, until it has subscribed again', async () => {
    const messages: string[] = [];
    const changes: boolean[] = [];
    const subscription = store.subscribe('news', (message) => messages.push(message));
    let losses = 0;
    subscription.onChange((live) => changes.push(live));
    subscription.onLost(() => (losses += 1));
    await until(() => subscription.live);
    await redis.kill();
    await until(() => !subscription.live);
    await redis.restart();
    await until(() => subscription.live);
    await redis.cli('PUBLISH', 'news@0', 'again');
    await until(() => messages.length > 0);
    expect(messages).toEqual(['again']);
    expect(changes).toEqual([true, false, true]);
    expect(losses).toBe(1);
    await subscription.close();
  });

  it('is not live while a frozen Redis may hold back messages', async () => {
    const subscription = store.subscribe('news', () => undefined);
    await until(() => subscription.live);
    redis.freeze();
    await until(() => !subscription.live);
    redis.thaw();
    await until(() => subscription.live);
    await subscription.close();
  });
});

it('reads all keys requested promptly in one turn with one command, and patiently with one each', async () => {
  const redis = await RedisServer.start();
  const store = openStore(redis.url, PATIENT);
  try {
    await new Promise<void>((resolve) => store.onAvailable(resolve));
    await redis.cli('CONFIG', 'RESETSTAT');
    await Promise.all(Array.from({ length: 50 }, (_, index) => store.getMany([`key-${index}`, 'epoch'])));
    expect(await redis.cli('INFO', 'commandstats')).toMatch(/cmdstat_mget:calls=1,/);
    const patiently = Array.from({ length: 2 }, () => store.getMany(['epoch'], patient(5_000)));
    await Promise.all([...patiently, store.getMany(['epoch'])]);
    expect(await redis.cli('INFO', 'commandstats')).toMatch(/cmdstat_mget:calls=4,/);
  } finally {
    await store.close();
    await redis.stop();
  }
});

describe('opening a store', () => {
  it('does not wait for a Redis that is absent at start', async () => {
    const redis = await RedisServer.start();
    await redis.kill();
    const store = openStore(redis.url);
    await expect(store.getMany(['a'])).rejects.toThrow(StoreUnavailable);
    await redis.restart();
    await until(() => store.available);
    await store.close();
    await redis.stop();
  });

  it('reports a wrong password without repeating it', async () => {
    const redis = await RedisServer.start(['--requirepass', 'right']);
    const reports: string[] = [];
    const log = { info: () => undefined, warn: (line: string) => reports.push(line) };
    const store = openStore(redis.url.replace('//', '//:wrong-canary@'), { log });
    await until(() => reports.length > 0);
    expect(reports[0]).toContain('WRONGPASS');
    expect(reports.join()).not.toContain('canary');
    await expect(store.getMany(['a'])).rejects.toThrow(StoreUnavailable);
    await store.close();
    await redis.stop();
  });

  it.each(['', 'localhost:6379', 'http://localhost', 'redis+sentinel://a', 'redis://'])(
    'refuses %p',
    (url) => {
      expect(() => openStore(url)).toThrow(TypeError);
    },
  );
});

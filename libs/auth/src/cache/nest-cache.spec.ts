import { createCache, type Cache } from 'cache-manager';
import { openStore, StoreUnavailable, type SharedStore } from '@app/store';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import { nestCacheOver, valueIn } from './nest-cache.js';

describe.each(['memory', 'redis'])("Nest's cache over a shared store (%s)", (kind) => {
  let redis: RedisServer | undefined;
  let store: SharedStore;
  let cache: Cache;

  beforeAll(async () => {
    redis = kind === 'redis' ? await RedisServer.start() : undefined;
    store = openStore(redis?.url ?? 'memory:', { ...PATIENT, prefix: 'dev:x:' });
    await new Promise<void>((resolve) => store.onAvailable(resolve));
    cache = createCache({ stores: [nestCacheOver(store)] });
  });

  afterAll(async () => {
    await store.close();
    await redis?.stop();
  });

  it('gives back what it was given, until it is deleted', async () => {
    await cache.set('cached', { a: 1 }, 10_000);
    expect(await cache.get('cached')).toEqual({ a: 1 });
    expect(await cache.mget(['cached', 'absent'])).toEqual([{ a: 1 }, undefined]);
    await cache.del('cached');
    expect(await cache.get('cached')).toBeUndefined();
  });

  it('stores an entry in the form that is read without it', async () => {
    await cache.set('entry', 'sealed', 10_000);
    const [stored] = await store.getMany(['entry']);
    expect(stored).toBe('{"value":"sealed"}');
    expect(valueIn(stored!)).toBe('sealed');
    // As versions before wrote it.
    expect(valueIn('{"value":"sealed","expires":1800000000000}')).toBe('sealed');
  });

  it('keeps an entry for its time, or for good', async () => {
    await cache.set('short', 'x', 60_000);
    await cache.set('long', 'x');
    expect(await cache.get('long')).toBe('x');
    if (!redis) return;
    expect(Number(await redis.cli('PTTL', 'dev:x:short'))).toBeLessThanOrEqual(60_000);
    expect(Number(await redis.cli('PTTL', 'dev:x:long'))).toBeGreaterThan(60_000);
  });

  it('does not empty the store when it is cleared', async () => {
    await store.set('log-out', '1', { ttlMs: 60_000 });
    await cache.clear();
    expect(await store.getMany(['log-out'])).toEqual(['1']);
  });

  it('rejects where the store does', async () => {
    await store.close();
    await expect(cache.set('a', 'x', 1000)).rejects.toThrow(StoreUnavailable);
  });
});

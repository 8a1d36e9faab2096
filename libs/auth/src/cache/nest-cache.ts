import { KeyvAdapter, type CacheManagerStore } from 'cache-manager';
import { redisInsStore } from 'cache-manager-redis-yet';
import { Keyv } from 'keyv';
import type { KeyValues } from '@app/store';

/** Instead of no expiry, which the store does not know. */
const A_CENTURY_MS = 100 * 365 * 24 * 3600 * 1000;

/**
 * Nest's cache over the shared store, for `CacheModule`. Here alone cache-manager, cache-manager-redis-yet and keyv meet.
 *
 * An application gets a cache by `@nestjs/cache-manager` and cache-manager-redis-yet, so the principals are written through them.
 * cache-manager-redis-yet gets no connection of its own, but the store: it never hears of an outage, and has no time limits. What it
 * would send goes out under the store's budget and prefix. The form of an entry in Redis, `{"value":…}`, is decided here and read by
 * {@link valueIn}, not by keyv, whose own envelope is an internal affair of keyv.
 */
export function nestCacheOver(store: KeyValues): Keyv {
  const redis = redisInsStore(clientOver(store) as never) as unknown as CacheManagerStore;
  const keyv = new Keyv({
    store: new KeyvAdapter(redis),
    useKeyPrefix: false,
    throwOnErrors: true,
  });
  // cache-manager-redis-yet makes JSON of it.
  keyv.serialize = ({ value }) => ({ value }) as never;
  keyv.deserialize = undefined;
  // The store reports its own outages; without a listener keyv would throw here as well.
  keyv.on('error', () => undefined);
  return keyv;
}

/** The value of an entry of {@link nestCacheOver}, as it is stored. @throws {SyntaxError} when it is no entry */
export function valueIn(stored: string): string {
  return (JSON.parse(stored) as { value: string }).value;
}

/** The commands of node-redis that cache-manager-redis-yet sends, on the store. */
function clientOver(store: KeyValues) {
  return {
    get: async (key: string) => (await store.getMany([key]))[0],
    mGet: (keys: readonly string[]) => store.getMany(keys),
    set: (key: string, value: string, { PX = A_CENTURY_MS }: { readonly PX?: number } = {}) =>
      store.set(key, value, { ttlMs: PX }),
    del: async (keys: string | readonly string[]) => {
      for (const key of [keys].flat()) await store.delete(key);
    },
    // `clear()` of Nest's cache would otherwise empty the Redis of all services, log-outs included.
    flushDb: async () => undefined,
  };
}

import { openMemoryStore } from './memory/memory-store.js';
import { isTlsInVain, parseRedisUrl, type RedisTls } from './redis/connection/redis-address.js';
import { openRedisStore } from './redis/redis-store.js';
import type { FormerNames } from './redis/server/former-names.js';
import type { StoreUse } from './redis/server/server-check.js';
import type { SharedStore } from './shared-store.js';
import type { StoreLog } from './store-log.js';
import { StoreNames } from './store-names.js';

export interface OpenStoreOptions {
  /** Prefix of every name in Redis, from `storePrefix`. All services of a deployment need the same. Default: nothing. */
  readonly prefix?: string | undefined;
  /** Purpose of the store: the check at each connection covers only the rights for it. Default: everything. */
  readonly use?: StoreUse | undefined;
  /** Authority and certificate for `rediss://`. */
  readonly tls?: RedisTls | undefined;
  /** Default: no former names (`formerName`). */
  readonly formerNames?: FormerNames | undefined;
  /** Budget of a prompt read ({@link Wait}). Default 100 (ms). */
  readonly readTimeoutMs?: number;
  /** Budget of a prompt write. Default 1,000 (1 s). */
  readonly writeTimeoutMs?: number;
  readonly log?: StoreLog | undefined;
}

/**
 * Opens the store that `REDIS_URL` names: `redis://[user:password@]host[:port][/database]`, `rediss://...` (TLS) or `memory:`.
 * Returns at once; the store connects in the background, and again after each loss.
 *
 * @throws {TypeError} when the URL is none of these; the message does not repeat it, because it may hold a password
 */
export function openStore(url: string, options: OpenStoreOptions = {}): SharedStore {
  if (url === 'memory:') return openMemoryStore();
  const address = addressOf(url);
  if (isTlsInVain(url, options.tls ?? {})) throw new TypeError('tls is for a URL of rediss://');
  return openRedisStore({
    target: { ...address, material: options.tls },
    names: new StoreNames(options.prefix ?? '', address.database),
    use: options.use ?? 'everything',
    formerNames: options.formerNames,
    readTimeoutMs: options.readTimeoutMs ?? 100,
    writeTimeoutMs: options.writeTimeoutMs ?? 1_000,
    log: options.log,
  });
}

function addressOf(url: string) {
  try {
    return parseRedisUrl(url);
  } catch (error) {
    throw new TypeError(`REDIS_URL ${(error as Error).message}`, { cause: error });
  }
}

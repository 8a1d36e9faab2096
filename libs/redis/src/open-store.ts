import { MemoryStore } from './memory-store.js';
import { RedisStore } from './redis-store.js';
import type { SharedStore, StoreLog } from './shared-store.js';

export interface OpenStoreOptions {
  /** Budget of a read. Default 100 (ms). */
  readonly readTimeoutMs?: number;
  /** Budget of a write. Default 1,000 (1 s). */
  readonly writeTimeoutMs?: number;
  readonly log?: StoreLog | undefined;
}

/**
 * Opens the store that `REDIS_URL` names: `redis://[user:password@]host[:port][/db]`, `rediss://...` (TLS) or `memory:`.
 * Returns at once; the connection is made in the background and made again whenever it is lost.
 *
 * @throws {TypeError} when the URL is none of these; the message does not repeat it, for it may hold a password
 */
export function openStore(url: string, options: OpenStoreOptions = {}): SharedStore {
  if (url === 'memory:') return new MemoryStore();
  if (!isStoreUrl(url))
    throw new TypeError('REDIS_URL must be redis://host:port, rediss://host:port or memory:');
  return new RedisStore(url, {
    readTimeoutMs: options.readTimeoutMs ?? 100,
    writeTimeoutMs: options.writeTimeoutMs ?? 1_000,
    log: options.log,
  });
}

/** Whether {@link openStore} takes this URL. */
export function isStoreUrl(url: string): boolean {
  if (url === 'memory:') return true;
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  return parsed !== undefined && ['redis:', 'rediss:'].includes(parsed.protocol) && parsed.hostname !== '';
}

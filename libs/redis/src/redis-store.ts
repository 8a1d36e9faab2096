import type { CacheManagerStore } from 'cache-manager';
import { redisInsStore } from 'cache-manager-redis-yet';
import { Overrun, RedisConnection, within, type RedisClient } from './redis-connection.js';
import { RedisSubscription } from './redis-subscription.js';
import {
  SharedStore,
  StoreUnavailable,
  type CallOptions,
  type StoreLog,
  type Subscription,
  type Write,
} from './shared-store.js';

export interface RedisStoreOptions {
  /** Budget of a read, in milliseconds. */
  readonly readTimeoutMs: number;
  /** Budget of a write, in milliseconds: longer, because what depends on a write has no other source. */
  readonly writeTimeoutMs: number;
  readonly log?: StoreLog | undefined;
}

/** Both scripts' keys are passed as such, so that they work behind a cluster proxy too. */
const DELETE_IF_EQUAL = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end`;
const SCAN_BATCH = 500;

/**
 * Redis, with a budget on every call and a breaker on the reads.
 *
 * The breaker needs no thresholds: the first read that overruns its budget opens it, and reads fail at once until a
 * heartbeat sent later has been answered within that budget. Writes are always tried, with their own longer budget.
 */
export class RedisStore extends SharedStore {
  override readonly shared = true;
  override readonly cacheStore: CacheManagerStore;
  private readonly connection: RedisConnection;
  private readonly subscriptions = new Set<RedisSubscription>();
  private readonly availableListeners = new Set<() => void>();
  private readonly cacheStores = new WeakMap<RedisClient, CacheManagerStore>();
  /** When the breaker opened (performance.now()); undefined while it is closed. */
  private openedAtMs: number | undefined;

  constructor(
    private readonly url: string,
    private readonly options: RedisStoreOptions,
  ) {
    super();
    this.connection = new RedisConnection(
      url,
      'commands',
      { up: () => this.onUp(), heartbeat: (sentAtMs) => this.onHeartbeat(sentAtMs) },
      options.log,
    );
    this.cacheStore = this.guardedCacheStore();
  }

  override get available(): boolean {
    return this.connection.client !== undefined && this.openedAtMs === undefined;
  }

  override getMany(keys: readonly string[], options?: CallOptions): Promise<(string | null)[]> {
    return this.read((client) => client.mGet([...keys]), options);
  }

  override async set(key: string, value: string, options: CallOptions & { ttlMs: number }): Promise<void> {
    await this.write((client) => client.set(key, value, expiry(options.ttlMs)), options);
  }

  override async setIfAbsent(
    key: string,
    value: string,
    options: CallOptions & { ttlMs: number },
  ): Promise<boolean> {
    const reply = await this.write(
      (client) => client.set(key, value, { ...expiry(options.ttlMs), condition: 'NX' }),
      options,
    );
    return reply === 'OK';
  }

  override async delete(key: string, options?: CallOptions): Promise<void> {
    await this.write((client) => client.del(key), options);
  }

  override async deleteIfEqual(key: string, value: string, options?: CallOptions): Promise<boolean> {
    const deleted = await this.write(
      (client) => client.eval(DELETE_IF_EQUAL, { keys: [key], arguments: [value] }),
      options,
    );
    return deleted === 1;
  }

  override async writeAll(writes: readonly Write[], options?: CallOptions): Promise<void> {
    await this.write((client) => {
      const transaction = client.multi();
      for (const write of writes) {
        if (write.op === 'set') transaction.set(write.key, write.value, expiry(write.ttlMs));
        else if (write.op === 'delete') transaction.del(write.key);
        else transaction.publish(write.channel, write.message);
      }
      return transaction.exec();
    }, options);
  }

  override async *scan(prefix: string): AsyncIterable<{ key: string; value: string }> {
    let cursor = '0';
    do {
      const page = await this.write((client) =>
        client.scan(cursor, { MATCH: `${prefix}*`, COUNT: SCAN_BATCH }),
      );
      cursor = page.cursor;
      const values = page.keys.length > 0 ? await this.write((client) => client.mGet(page.keys)) : [];
      for (const [index, key] of page.keys.entries()) {
        const value = values[index];
        if (value != null) yield { key, value };
      }
    } while (cursor !== '0');
  }

  override async weaknesses(): Promise<readonly string[]> {
    const info = await this.write((client) => client.info());
    const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
    const policy = value('maxmemory_policy');
    const found: string[] = [];
    if (policy !== undefined && policy !== 'noeviction') {
      found.push(
        `maxmemory-policy is ${policy}: when memory is short, Redis may drop log-outs and sessions; set noeviction`,
      );
    }
    if (value('aof_enabled') === '0') {
      found.push('appendonly is off: a restart of Redis may lose log-outs and sessions; set appendonly yes');
    }
    return found;
  }

  override subscribe(channel: string, listener: (message: string) => void): Subscription {
    const subscription = new RedisSubscription(this.url, channel, listener, this.options.log);
    this.subscriptions.add(subscription);
    return subscription;
  }

  override onAvailable(listener: () => void): () => void {
    this.availableListeners.add(listener);
    if (this.connection.client) setImmediate(listener);
    return () => void this.availableListeners.delete(listener);
  }

  override async close(): Promise<void> {
    await Promise.all([
      this.connection.close(),
      ...[...this.subscriptions].map((subscription) => subscription.close()),
    ]);
  }

  private read<T>(command: (client: RedisClient) => Promise<T>, options?: CallOptions): Promise<T> {
    // A caller with time of his own is not held back: the breaker is for those who cannot wait.
    if (options?.timeoutMs === undefined && this.openedAtMs !== undefined) {
      return Promise.reject(new StoreUnavailable('Redis is too slow at the moment'));
    }
    return this.call(command, options?.timeoutMs ?? this.options.readTimeoutMs, () => {
      this.openedAtMs ??= performance.now();
    });
  }

  private write<T>(command: (client: RedisClient) => Promise<T>, options?: CallOptions): Promise<T> {
    return this.call(command, options?.timeoutMs ?? this.options.writeTimeoutMs);
  }

  private async call<T>(
    command: (client: RedisClient) => Promise<T>,
    timeoutMs: number,
    onOverrun?: () => void,
  ): Promise<T> {
    const { client } = this.connection;
    if (!client) throw new StoreUnavailable('Redis is away');
    try {
      return await within(timeoutMs, command(client));
    } catch (error) {
      if (error instanceof Overrun) onOverrun?.();
      throw new StoreUnavailable('Redis gave no answer or refused', { cause: error });
    }
  }

  private onUp(): void {
    this.openedAtMs = undefined;
    for (const listener of this.availableListeners) listener();
  }

  private onHeartbeat(sentAtMs: number): void {
    if (this.openedAtMs === undefined || sentAtMs < this.openedAtMs) return;
    if (performance.now() - sentAtMs < this.options.readTimeoutMs) this.openedAtMs = undefined;
  }

  /** cache-manager-redis-yet's store over the client of the moment, each method under the budget. */
  private guardedCacheStore(): CacheManagerStore {
    const storeOf = (client: RedisClient): CacheManagerStore => {
      let store = this.cacheStores.get(client);
      // Its type names the node-redis 4 that it brings along; it uses what both versions have.
      store ??= redisInsStore(client as never) as unknown as CacheManagerStore;
      this.cacheStores.set(client, store);
      return store;
    };
    return {
      name: 'redis',
      get: (key) => this.read((client) => storeOf(client).get(key)),
      mget: (...keys) => this.read((client) => storeOf(client).mget(...keys)),
      set: (key, value, ttl) => this.write((client) => storeOf(client).set(key, value, ttl)),
      mset: (values, ttl) => this.write((client) => storeOf(client).mset(values, ttl)),
      del: (key) => this.write((client) => storeOf(client).del(key)),
      mdel: (...keys) => this.write((client) => storeOf(client).mdel(...keys)),
      ttl: (key) => this.read((client) => storeOf(client).ttl(key)),
      keys: () => this.write((client) => storeOf(client).keys()),
    };
  }
}

function expiry(ttlMs: number) {
  return { expiration: { type: 'PX' as const, value: Math.max(1, Math.ceil(ttlMs)) } };
}

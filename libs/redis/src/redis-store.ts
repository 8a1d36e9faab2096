import type { CacheManagerStore } from 'cache-manager';
import { redisInsStore } from 'cache-manager-redis-yet';
import { ErrorReply } from 'redis';
import { Overrun, RedisConnection, within, type RedisClient } from './redis-connection.js';
import { RedisSubscription } from './redis-subscription.js';
import { ServerClock } from './server-clock.js';
import {
  SharedStore,
  StoreUnavailable,
  type CallOptions,
  type HoldableLimit,
  type Limit,
  type NoPlace,
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

const DELETE_IF_EQUAL = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end`;
/** The first key is the condition, an empty value being none; each further argument is a command as a JSON list. */
const WRITE_IF_EQUAL = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
for i = 2, #ARGV do redis.call(unpack(cjson.decode(ARGV[i]))) end
return 1`;
/** Arguments: the window, then the limit of each key. Answers 0, or the milliseconds until the limit that was met is lifted. */
const COUNT_ALL = `
local wait = 0
for i, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) >= tonumber(ARGV[i + 1]) then wait = math.max(wait, redis.call('PTTL', key), 1) end
end
if wait > 0 then return wait end
for _, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then redis.call('PEXPIRE', key, ARGV[1]) end
end
return 0`;
/**
 * Keys: of each limit that of the count, then that of the holders, by the time when they lose their place. Arguments: holder, lease, then
 * each limit. Answers as {@link COUNT_ALL} does, and -1 where what is held is in the way.
 */
const HOLD_ALL = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local wait, full = 0, false
for i = 1, #KEYS, 2 do
  local max, counted = tonumber(ARGV[2 + (i + 1) / 2]), tonumber(redis.call('GET', KEYS[i]) or 0)
  redis.call('ZREMRANGEBYSCORE', KEYS[i + 1], '-inf', now)
  if counted >= max then wait = math.max(wait, redis.call('PTTL', KEYS[i]), 1)
  elseif counted + redis.call('ZCARD', KEYS[i + 1]) >= max then full = true end
end
if wait > 0 then return wait end
if full then return -1 end
for i = 2, #KEYS, 2 do
  redis.call('ZADD', KEYS[i], now + ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[i], ARGV[2])
end
return 0`;
/** Keys as above. Arguments: holder, and how long to count, 0 for not at all. */
const GIVE_UP_ALL = `
for i = 1, #KEYS, 2 do
  redis.call('ZREM', KEYS[i + 1], ARGV[1])
  if ARGV[2] ~= '0' and redis.call('INCR', KEYS[i]) == 1 then redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
end
return 0`;
const UNCOUNT_ALL = `
for _, key in ipairs(KEYS) do
  if tonumber(redis.call('GET', key) or 0) > 0 then redis.call('DECR', key) end
end
return 0`;
const SCAN_BATCH = 500;
/** Redis does nothing else while it answers one command. */
const MAX_BATCH_KEYS = 512;

/** Keys that callers have asked for within one turn of the event loop: one command, and one deadline. */
interface ReadBatch {
  /** Each key once, however many ask for it, and its place in the command. */
  readonly places: Map<string, number>;
  readonly values: Promise<(string | null)[]>;
}

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
  private readonly clock = new ServerClock();
  /** Names the process that answers; a new one after each start of Redis. */
  private runId: string | undefined;
  /** Names the history of its data; a new one when it is given another's. */
  private replicationId: string | undefined;
  private batch: ReadBatch | undefined;
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
      {
        prepare: (client) => this.identify(client),
        up: () => this.onUp(),
        down: () => (this.runId = undefined),
        beat: (client) => this.beat(client),
        heartbeat: (sentAtMs) => this.onHeartbeat(sentAtMs),
      },
      options.log,
    );
    this.cacheStore = this.guardedCacheStore();
  }

  override get available(): boolean {
    return this.connection.client !== undefined && this.openedAtMs === undefined;
  }

  override get serverId(): string | undefined {
    return this.runId && this.replicationId && `${this.runId}.${this.replicationId}`;
  }

  override nowMs(): number {
    return this.clock.nowMs();
  }

  override async getMany(keys: readonly string[], options?: CallOptions): Promise<(string | null)[]> {
    if (options?.timeoutMs !== undefined) return this.read((client) => valuesOf(client, keys), options);
    const { places, values } = this.batchFor(keys.length);
    const at = keys.map((key) => {
      const place = places.get(key) ?? places.size;
      places.set(key, place);
      return place;
    });
    const found = await values;
    return at.map((place) => found[place] ?? null);
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
      for (const command of commandsOf(writes, this.nowMs())) transaction.addCommand(command);
      return transaction.exec();
    }, options);
  }

  override async writeAllIfEqual(
    key: string,
    value: string | null,
    writes: readonly Write[],
    options?: CallOptions,
  ): Promise<boolean> {
    const commands = commandsOf(writes, this.nowMs()).map((command) => JSON.stringify(command));
    const written = await this.write(
      (client) => client.eval(WRITE_IF_EQUAL, { keys: [key], arguments: [value ?? '', ...commands] }),
      options,
    );
    return written === 1;
  }

  override members(key: string, options?: CallOptions): Promise<readonly string[]> {
    return this.read(
      (client) => client.zRange(key, '+inf', `(${this.nowMs()}`, { BY: 'SCORE', REV: true }),
      options,
    );
  }

  override async countAll(
    limits: readonly Limit[],
    { windowMs, ...options }: CallOptions & { windowMs: number },
  ): Promise<number | undefined> {
    const waitMs = await this.write(async (client) => {
      const reply = await client.eval(COUNT_ALL, {
        keys: limits.map(({ key }) => key),
        arguments: [String(windowMs), ...limits.map(({ max }) => String(max))],
      });
      return asNumber(reply);
    }, options);
    return waitMs === 0 ? undefined : waitMs;
  }

  override async holdAll(
    limits: readonly HoldableLimit[],
    { holder, leaseMs, ...options }: CallOptions & { holder: string; leaseMs: number },
  ): Promise<NoPlace | undefined> {
    const waitMs = await this.write(async (client) => {
      const reply = await client.eval(HOLD_ALL, {
        keys: keysOf(limits),
        arguments: [holder, String(leaseMs), ...limits.map(({ max }) => String(max))],
      });
      return asNumber(reply);
    }, options);
    if (waitMs === 0) return undefined;
    return waitMs < 0 ? { reason: 'held' } : { reason: 'counted', waitMs };
  }

  override async giveUpAll(
    limits: readonly HoldableLimit[],
    { holder, countForMs = 0, ...options }: CallOptions & { holder: string; countForMs?: number | undefined },
  ): Promise<void> {
    const words = { keys: keysOf(limits), arguments: [holder, String(countForMs)] };
    await this.write((client) => client.eval(GIVE_UP_ALL, words), options);
  }

  override async uncountAll(keys: readonly string[], options?: CallOptions): Promise<void> {
    await this.write((client) => client.eval(UNCOUNT_ALL, { keys: [...keys] }), options);
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

  override async keepsWrites(): Promise<boolean> {
    return valueOf(await this.info(), 'aof_enabled') === '1';
  }

  override async weaknesses(): Promise<readonly string[]> {
    const info = await this.info();
    const policy = valueOf(info, 'maxmemory_policy');
    const found: string[] = [];
    if (policy !== undefined && policy !== 'noeviction') {
      found.push(
        `maxmemory-policy is ${policy}: when memory is short, Redis may drop log-outs and sessions; set noeviction`,
      );
    }
    if (valueOf(info, 'aof_enabled') === '0') {
      found.push('appendonly is off: a restart of Redis may lose log-outs and sessions; set appendonly yes');
    }
    if (this.serverId === undefined) {
      found.push('it does not tell who it is: nothing cached in it is used; allow the command INFO');
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

  private info(): Promise<unknown> {
    return this.write((client) => client.info().catch(refusal));
  }

  private batchFor(count: number): ReadBatch {
    if (this.batch && this.batch.places.size + count <= MAX_BATCH_KEYS) return this.batch;
    const places = new Map<string, number>();
    const endOfTurn = new Promise<void>((resolve) =>
      setImmediate(() => {
        if (this.batch === batch) this.batch = undefined;
        resolve();
      }),
    );
    const values = this.read((client) => endOfTurn.then(() => valuesOf(client, [...places.keys()])));
    const batch = { places, values };
    this.batch = batch;
    return batch;
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

  /** A server that does not let us ask stays unknown, which the weaknesses tell. */
  private async identify(client: RedisClient): Promise<void> {
    this.runId = undefined;
    const info: unknown = await client.info('server').catch(refusal);
    this.runId = valueOf(info, 'run_id');
  }

  private async beat(client: RedisClient): Promise<void> {
    const sentAtMs = performance.now();
    const [time, replication] = await Promise.all<unknown>([
      client.sendCommand(['TIME']),
      client.info('replication').catch(refusal),
    ]);
    this.replicationId = valueOf(replication, 'master_replid');
    // It may be allowed by now.
    if (this.runId === undefined) await this.identify(client);
    const [seconds, microseconds] = Array.isArray(time) ? time.map(Number) : [];
    const serverMs = seconds! * 1000 + microseconds! / 1000;
    if (!Number.isFinite(serverMs)) throw notOfThatKind();
    this.clock.learn(sentAtMs, serverMs);
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

async function valuesOf(client: RedisClient, keys: readonly string[]): Promise<(string | null)[]> {
  return asValues(await client.mGet([...keys]), keys.length);
}

function keysOf(limits: readonly HoldableLimit[]): string[] {
  return limits.flatMap(({ key, heldKey }) => [key, heldKey]);
}

/** What comes out of a connection that garbles answers can be well-formed, and of any type. */
function asValues(reply: unknown, count: number): (string | null)[] {
  if (Array.isArray(reply) && reply.length === count && reply.every(isValue)) return reply;
  throw notOfThatKind();
}

function asNumber(reply: unknown): number {
  if (typeof reply === 'number') return reply;
  throw notOfThatKind();
}

function notOfThatKind(): TypeError {
  return new TypeError('the answer is not of the kind that was asked for');
}

function isValue(value: unknown): value is string | null {
  return value === null || typeof value === 'string';
}

/** The value of a line of INFO. */
function valueOf(info: unknown, name: string): string | undefined {
  return typeof info === 'string' ? new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] : undefined;
}

/** What the server refuses is an answer; a connection that is lost is none. */
function refusal(error: unknown): undefined {
  if (error instanceof ErrorReply) return undefined;
  throw error;
}

function expiry(ttlMs: number) {
  return { expiration: { type: 'PX' as const, value: wholeMs(ttlMs) } };
}

function wholeMs(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs));
}

function commandsOf(writes: readonly Write[], nowMs: number): string[][] {
  return writes.flatMap((write) => {
    switch (write.op) {
      case 'set':
        return [['SET', write.key, write.value, 'PX', String(wholeMs(write.ttlMs))]];
      case 'delete':
        return [['DEL', write.key]];
      case 'publish':
        return [['PUBLISH', write.channel, write.message]];
      case 'addMember': {
        return [
          ['ZADD', write.key, String(wholeMs(nowMs + write.ttlMs)), write.member],
          ['ZREMRANGEBYSCORE', write.key, '-inf', String(nowMs)],
          ['ZREMRANGEBYRANK', write.key, '0', String(-1 - write.max)],
          // The set outlives its last member at the most by what a shorter-lived one, added later, takes off.
          ['PEXPIRE', write.key, String(wholeMs(write.ttlMs)), 'GT'],
          ['PEXPIRE', write.key, String(wholeMs(write.ttlMs)), 'NX'],
        ];
      }
      case 'removeMember':
        return [['ZREM', write.key, write.member]];
    }
  });
}

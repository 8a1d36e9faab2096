import { Overrun, RedisConnection, within, type RedisClient, type RedisTarget } from './redis-connection.js';
import { refusal, refusalIn } from './redis-refusal.js';
import { RedisSubscription } from './redis-subscription.js';
import { problemsOf, type StoreUse, type Try } from './server-check.js';
import { ServerClock } from './server-clock.js';
import { valueOf } from './server-info.js';
import { ServerTrouble } from './server-trouble.js';
import type { StoreNames } from '../store-names.js';
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
} from '../shared-store.js';

export interface RedisStoreOptions {
  readonly target: RedisTarget;
  readonly names: StoreNames;
  readonly use: StoreUse;
  readonly formerNames: FormerNames | undefined;
  /** Budget of a read, in milliseconds. */
  readonly readTimeoutMs: number;
  /** Budget of a write, in milliseconds: longer, because a write has no fallback. */
  readonly writeTimeoutMs: number;
  readonly log?: StoreLog | undefined;
}

/** How to detect data of versions without prefixes. */
export interface FormerNames {
  /** Keys of these versions, by their former names; one is enough. */
  readonly signs: readonly string[];
  /** How long their data may matter, in milliseconds. */
  readonly keepMs: number;
}

/** Owner of the former names, where several deployments share the Redis of a former one: the first that finds them. */
const CLAIM_KEY = 'former-names:v1';
/** Interval of probe writes, so that trouble is known before a real write meets it. */
const PROBE_MS = 5_000;
const REPLICA = 'READONLY this Redis is a replica: nothing can be written';

const DELETE_IF_EQUAL = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end`;
/** The key is the condition; an empty value means an absent key. Each command follows its number of words. */
const WRITE_IF_EQUAL = `
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local at = 2
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, last))
  at = last + 1
end
return 1`;
/** Arguments: the window, then the limit of each key. Answers 0, or the milliseconds until the reached limit is lifted. */
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
 * Keys: for each limit the key of the count, then that of the holders, sorted by the end of their place. Arguments: holder, lease, then
 * each limit. Answers as {@link COUNT_ALL} does, and -1 where held places are in the way.
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
/** Keys as above. Arguments: holder, and how long to count; 0 means not at all. */
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
/** Bounded, because Redis does nothing else while it answers one command. */
const MAX_BATCH_KEYS = 512;

/** Keys requested in one turn of the event loop: one command, and one deadline. */
interface ReadBatch {
  /** Each name once, however often it is requested, and its place in the command. */
  readonly places: Map<string, number>;
  readonly values: Promise<(string | null)[]>;
}

/**
 * Redis, with a budget on every call and a breaker on the reads.
 *
 * The breaker needs no thresholds: the first read that overruns its budget opens it, and reads fail at once until a
 * later heartbeat is answered within that budget. Writes are always tried, with their own longer budget.
 */
export class RedisStore extends SharedStore {
  override readonly shared = true;
  private readonly connection: RedisConnection;
  private readonly subscriptions = new Set<RedisSubscription>();
  private readonly availableListeners = new Set<() => void>();
  private readonly clock = new ServerClock();
  /** Names the process that answers; a new one after each start of Redis. */
  private runId: string | undefined;
  /** Names the history of its data; a new one when it gets the data of another server. */
  private replicationId: string | undefined;
  private isReplica = false;
  private batch: ReadBatch | undefined;
  /** When the breaker opened (performance.now()); undefined while it is closed. */
  private openedAtMs: number | undefined;
  private readonly names: StoreNames;
  private readonly trouble: ServerTrouble;
  /** A subscription has found another server than the one that answers commands. */
  private otherServerFound = false;
  private probedAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: RedisStoreOptions) {
    super();
    this.names = options.names;
    this.trouble = new ServerTrouble(options.log);
    this.connection = new RedisConnection(
      options.target,
      'commands',
      {
        prepare: (client) => this.prepare(client),
        up: () => this.onUp(),
        down: () => (this.runId = undefined),
        beat: (client) => this.beat(client),
        heartbeat: (sentAtMs) => this.onHeartbeat(sentAtMs),
        doubts: () => this.otherServerFound || this.trouble.problems.length > 0,
        suits: (client) => this.suits(client),
      },
      options.log,
    );
  }

  override get available(): boolean {
    return this.connection.client !== undefined && this.openedAtMs === undefined;
  }

  override get problems(): readonly string[] {
    const { trouble } = this.connection;
    if (!this.connection.client) return [`Redis is away${trouble === undefined ? '' : `: ${trouble}`}`];
    const deaf = [...this.subscriptions].flatMap((subscription) =>
      subscription.trouble === undefined ? [] : [`subscribing fails: ${subscription.trouble}`],
    );
    return [...this.trouble.problems, ...new Set(deaf)];
  }

  override get takesWrites(): boolean {
    return !this.isReplica;
  }

  override get serverId(): string | undefined {
    if (this.isReplica) return undefined;
    return this.runId && this.replicationId && `${this.runId}.${this.replicationId}`;
  }

  override nowMs(): number {
    return this.clock.nowMs();
  }

  override async getMany(keys: readonly string[], options?: CallOptions): Promise<(string | null)[]> {
    const names = keys.map((key) => this.names.key(key));
    const batch = options?.timeoutMs === undefined ? this.batchFor(keys.length) : undefined;
    const places = batch?.places ?? new Map<string, number>();
    const at = placesOf(names, places);
    const found = await (batch?.values ??
      this.read((client) => valuesOf(client, [...places.keys()]), options));
    return at.map((place) => found[place] ?? null);
  }

  override async set(key: string, value: string, options: CallOptions & { ttlMs: number }): Promise<void> {
    await this.write((client) => client.set(this.names.own(key), value, expiry(options.ttlMs)), options);
  }

  override async setIfAbsent(
    key: string,
    value: string,
    options: CallOptions & { ttlMs: number },
  ): Promise<boolean> {
    const name = this.names.key(key);
    if (name === undefined) return true;
    const reply = await this.write(
      (client) => client.set(name, value, { ...expiry(options.ttlMs), condition: 'NX' }),
      options,
    );
    return reply === 'OK';
  }

  override async delete(key: string, options?: CallOptions): Promise<void> {
    await this.write((client) => client.del(this.names.own(key)), options);
  }

  override async deleteIfEqual(key: string, value: string, options?: CallOptions): Promise<boolean> {
    const name = this.names.key(key);
    if (name === undefined) return false;
    const deleted = await this.write(
      (client) => client.eval(DELETE_IF_EQUAL, { keys: [name], arguments: [value] }),
      options,
    );
    return deleted === 1;
  }

  override async writeAll(writes: readonly Write[], options?: CallOptions): Promise<void> {
    await this.write((client) => {
      const transaction = client.multi();
      for (const command of this.commandsOf(writes)) transaction.addCommand(command);
      return transaction.exec();
    }, options);
  }

  override async writeAllIfEqual(
    key: string,
    value: string | null,
    writes: readonly Write[],
    options?: CallOptions,
  ): Promise<boolean> {
    const name = this.names.key(key);
    if (name === undefined) return false;
    const words = this.commandsOf(writes).flatMap((command) => [String(command.length), ...command]);
    const written = await this.write(
      (client) => client.eval(WRITE_IF_EQUAL, { keys: [name], arguments: [value ?? '', ...words] }),
      options,
    );
    return written === 1;
  }

  override async members(key: string, options?: CallOptions): Promise<readonly string[]> {
    const name = this.names.key(key);
    if (name === undefined) return [];
    return this.read(
      (client) => client.zRange(name, '+inf', `(${this.nowMs()}`, { BY: 'SCORE', REV: true }),
      options,
    );
  }

  override async countAll(
    limits: readonly Limit[],
    { windowMs, ...options }: CallOptions & { windowMs: number },
  ): Promise<number | undefined> {
    const waitMs = await this.write(async (client) => {
      const reply = await client.eval(COUNT_ALL, {
        keys: limits.map(({ key }) => this.names.own(key)),
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
        keys: this.keysOf(limits),
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
    const words = { keys: this.keysOf(limits), arguments: [holder, String(countForMs)] };
    await this.write((client) => client.eval(GIVE_UP_ALL, words), options);
  }

  override async uncountAll(keys: readonly string[], options?: CallOptions): Promise<void> {
    const names = keys.map((key) => this.names.own(key));
    await this.write((client) => client.eval(UNCOUNT_ALL, { keys: names }), options);
  }

  override async *scan(prefix: string): AsyncIterable<{ key: string; value: string }> {
    const start = this.names.key(prefix);
    if (start === undefined) return;
    let cursor = '0';
    do {
      const page = await this.write((client) =>
        client.scan(cursor, { MATCH: `${start}*`, COUNT: SCAN_BATCH }),
      );
      cursor = page.cursor;
      const values = page.keys.length > 0 ? await this.write((client) => client.mGet(page.keys)) : [];
      for (const [index, name] of page.keys.entries()) {
        const value = values[index];
        if (value != null) yield { key: this.names.keyOf(name, prefix), value };
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
    if (this.serverId === undefined && this.takesWrites) {
      found.push('it does not tell who it is: nothing cached in it is used; allow the command INFO');
    }
    return found;
  }

  override subscribe(channel: string, listener: (message: string) => void): Subscription {
    const { target, log } = this.options;
    const subscription = new RedisSubscription(
      {
        target,
        channel: this.names.channel(channel)!,
        log,
        runId: () => this.runId,
        onOtherServer: () => (this.otherServerFound = true),
      },
      listener,
    );
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

  private keysOf(limits: readonly HoldableLimit[]): string[] {
    return limits.flatMap(({ key, heldKey }) => [this.names.own(key), this.names.own(heldKey)]);
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
    // A caller with its own timeout is not held back: the breaker is for callers that cannot wait.
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
      const refused = refusalIn(error);
      if (refused !== undefined) this.trouble.refused(refused);
      throw new StoreUnavailable('Redis gave no answer or refused', { cause: error });
    }
  }

  private async prepare(client: RedisClient): Promise<void> {
    // Together: each trip to a distant Redis adds to the time of a connection.
    const [{ problems, formerNames }] = await Promise.all([this.check(client), this.identify(client)]);
    this.names.formerNames = formerNames;
    this.trouble.renewed(problems);
    this.otherServerFound = false;
    this.probedAtMs = performance.now();
  }

  private async suits(client: RedisClient): Promise<boolean> {
    const { problems, formerNames } = await this.check(client);
    if (client !== this.connection.client) return problems.length === 0;
    // A server that refused everything at first, e.g. while loading, may answer now.
    this.names.formerNames = formerNames;
    this.trouble.checked(problems);
    return problems.length === 0 && !this.otherServerFound;
  }

  private async check(client: RedisClient) {
    const former = this.claimFormerNames(client);
    const [problems, formerNames] = await Promise.all([
      problemsOf(client, this.names, this.options.use, former.tries),
      former.ours,
    ]);
    return { problems, formerNames };
  }

  /** @returns whether there are former names of ours; undefined where Redis does not tell */
  private claimFormerNames(client: RedisClient): { tries: Try[]; ours: Promise<boolean | undefined> } {
    const { formerNames } = this.options;
    if (!formerNames) return { tries: [], ours: Promise.resolve(false) };
    const { prefix } = this.names;
    const untilMs = Date.now() + formerNames.keepMs;
    const there = client.exists([...formerNames.signs]);
    const claiming = there.then((found) =>
      found === 0 ? null : client.set(CLAIM_KEY, `${untilMs} ${prefix}`, { condition: 'NX' }),
    );
    const claimed = there.then((found) => (found === 0 ? null : client.get(CLAIM_KEY)));
    const ours = async () => {
      const found = await there.catch(refusal);
      if (!found) return found === 0 ? false : undefined;
      // With an unreadable claim they count as ours: an earlier log-out must not be overlooked.
      const [claim] = await Promise.all([claimed.catch(refusal), claiming.catch(refusal)]);
      const [claimedUntilMs, owner] = claim?.split(' ') ?? [untilMs, prefix];
      return owner === prefix && Date.now() < Number(claimedUntilMs);
    };
    const what = `what earlier versions left (${formerNames.signs.join(', ')})`;
    return {
      tries: [
        [`looking for ${what}`, there],
        [`claiming ${what} (${CLAIM_KEY})`, claiming],
        [`reading who has claimed ${what} (${CLAIM_KEY})`, claimed],
      ],
      ours: ours(),
    };
  }

  /** A server that refuses the question stays unknown, and `weaknesses` reports it. */
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
      this.probe(client),
    ]);
    this.replicationId = valueOf(replication, 'master_replid');
    this.isReplica = valueOf(replication, 'role') === 'slave';
    if (this.isReplica) this.trouble.refused(REPLICA);
    // INFO may be allowed by now.
    if (this.runId === undefined) await this.identify(client);
    const [seconds, microseconds] = Array.isArray(time) ? time.map(Number) : [];
    const serverMs = seconds! * 1000 + microseconds! / 1000;
    if (!Number.isFinite(serverMs)) throw notOfThatKind();
    this.clock.learn(sentAtMs, serverMs);
  }

  /** Detects a server that stops accepting writes while there are none. */
  private async probe(client: RedisClient): Promise<void> {
    if (performance.now() - this.probedAtMs < PROBE_MS) return;
    this.probedAtMs = performance.now();
    await client.set(this.names.own('probe'), '1', expiry(PROBE_MS)).catch((error: unknown) => {
      const refused = refusalIn(error);
      if (refused === undefined) throw error;
      this.trouble.refused(refused);
    });
  }

  private onUp(): void {
    this.openedAtMs = undefined;
    for (const listener of this.availableListeners) listener();
  }

  private onHeartbeat(sentAtMs: number): void {
    if (this.openedAtMs === undefined || sentAtMs < this.openedAtMs) return;
    if (performance.now() - sentAtMs < this.options.readTimeoutMs) this.openedAtMs = undefined;
  }

  private commandsOf(writes: readonly Write[]): string[][] {
    const nowMs = this.nowMs();
    return writes.flatMap((write) => {
      const name = write.op === 'publish' ? this.names.channel(write.channel) : this.names.key(write.key);
      return name === undefined ? [] : commandsOf(write, name, nowMs);
    });
  }
}

/** -1 for a name that is not in use. */
function placesOf(names: readonly (string | undefined)[], places: Map<string, number>): number[] {
  return names.map((name) => {
    if (name === undefined) return -1;
    const place = places.get(name) ?? places.size;
    places.set(name, place);
    return place;
  });
}

async function valuesOf(client: RedisClient, names: string[]): Promise<(string | null)[]> {
  return names.length === 0 ? [] : asValues(await client.mGet(names), names.length);
}

/** A garbled answer can be well-formed, and of any type. */
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

function expiry(ttlMs: number) {
  return { expiration: { type: 'PX' as const, value: wholeMs(ttlMs) } };
}

function wholeMs(ttlMs: number): number {
  return Math.max(1, Math.ceil(ttlMs));
}

/** @param name of the key or channel, as Redis knows it */
function commandsOf(write: Write, name: string, nowMs: number): string[][] {
  switch (write.op) {
    case 'set':
      return [['SET', name, write.value, 'PX', String(wholeMs(write.ttlMs))]];
    case 'delete':
      return [['DEL', name]];
    case 'publish':
      return [['PUBLISH', name, write.message]];
    case 'addMember':
      return [
        ['ZADD', name, String(wholeMs(nowMs + write.ttlMs)), write.member],
        ['ZREMRANGEBYSCORE', name, '-inf', String(nowMs)],
        ['ZREMRANGEBYRANK', name, '0', String(-1 - write.max)],
        // GT keeps the longer expiry, so that a later, shorter-lived member cannot end the set early.
        ['PEXPIRE', name, String(wholeMs(write.ttlMs)), 'GT'],
        ['PEXPIRE', name, String(wholeMs(write.ttlMs)), 'NX'],
      ];
    case 'removeMember':
      return [['ZREM', name, write.member]];
  }
}

import { ServerFacts } from '../../ports/server-facts.js';
import type { StoreNames } from '../../store-names.js';
import type { RedisCalls } from '../connection/redis-calls.js';
import type { RedisClient, RedisConnection } from '../connection/redis-connection.js';
import { refusal, refusalIn } from '../connection/redis-refusal.js';
import { notOfThatKind } from '../redis-replies.js';
import { expiry } from '../redis-writes.js';
import { claimFormerNames, type FormerNames } from './former-names.js';
import { problemsOf, type StoreUse } from './server-check.js';
import type { ServerClock } from './server-clock.js';
import type { ServerIdentity } from './server-identity.js';
import { valueOf } from './server-info.js';
import type { ServerTrouble } from './server-trouble.js';

export interface RedisServerOptions {
  readonly names: StoreNames;
  readonly use: StoreUse;
  readonly formerNames: FormerNames | undefined;
  readonly connection: () => RedisConnection;
  readonly calls: RedisCalls;
  readonly identity: ServerIdentity;
  readonly clock: ServerClock;
  readonly trouble: ServerTrouble;
  /** Why subscriptions are not live. */
  readonly feedProblems: () => readonly string[];
}

/** Interval of probe writes, so that trouble is known before a real write meets it. */
const PROBE_MS = 5_000;
const REPLICA = 'READONLY this Redis is a replica: nothing can be written';

/** Checks the server behind the connection, and tells what it is. */
export class RedisServer extends ServerFacts {
  override readonly shared = true;
  private readonly availableListeners = new Set<() => void>();
  /** A subscription has found another server than the one that answers commands. */
  private otherServerFound = false;
  private probedAtMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: RedisServerOptions) {
    super();
  }

  override get available(): boolean {
    return this.options.calls.available;
  }

  override get problems(): readonly string[] {
    const { client, trouble } = this.options.connection();
    if (!client) return [`Redis is away${trouble === undefined ? '' : `: ${trouble}`}`];
    return [...this.options.trouble.problems, ...this.options.feedProblems()];
  }

  override get takesWrites(): boolean {
    return this.options.identity.isMaster;
  }

  override get serverId(): string | undefined {
    return this.options.identity.id;
  }

  override nowMs(): number {
    return this.options.clock.nowMs();
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

  override onAvailable(listener: () => void): () => void {
    this.availableListeners.add(listener);
    if (this.options.connection().client) setImmediate(listener);
    return () => void this.availableListeners.delete(listener);
  }

  /** A new connection, before it counts as up. */
  async prepare(client: RedisClient): Promise<void> {
    // Together: each trip to a distant Redis adds to the time of a connection.
    const [{ problems, formerNames }] = await Promise.all([
      this.check(client),
      this.options.identity.identify(client),
    ]);
    this.options.names.formerNames = formerNames;
    this.options.trouble.renewed(problems);
    this.otherServerFound = false;
    this.probedAtMs = performance.now();
  }

  up(): void {
    for (const listener of this.availableListeners) listener();
  }

  down(): void {
    this.options.identity.forget();
  }

  foundOtherServer(): void {
    this.otherServerFound = true;
  }

  /** Whether this may be the wrong server. */
  doubts(): boolean {
    return this.otherServerFound || this.options.trouble.problems.length > 0;
  }

  async suits(client: RedisClient): Promise<boolean> {
    const { problems, formerNames } = await this.check(client);
    if (client !== this.options.connection().client) return problems.length === 0;
    // A server that refused everything at first, e.g. while loading, may answer now.
    this.options.names.formerNames = formerNames;
    this.options.trouble.checked(problems);
    return problems.length === 0 && !this.otherServerFound;
  }

  async beat(client: RedisClient): Promise<void> {
    const { identity, clock, trouble } = this.options;
    const sentAtMs = performance.now();
    const [time, replication] = await Promise.all<unknown>([
      client.sendCommand(['TIME']),
      client.info('replication').catch(refusal),
      this.probe(client),
    ]);
    identity.learn(replication);
    if (!identity.isMaster) trouble.refused(REPLICA);
    // INFO may be allowed by now.
    if (identity.runId === undefined) await identity.identify(client);
    const [seconds, microseconds] = Array.isArray(time) ? time.map(Number) : [];
    const serverMs = seconds! * 1000 + microseconds! / 1000;
    if (!Number.isFinite(serverMs)) throw notOfThatKind();
    clock.learn(sentAtMs, serverMs);
  }

  private async check(client: RedisClient) {
    const { names, use, formerNames } = this.options;
    const former = claimFormerNames(client, names.prefix, formerNames);
    const [problems, ours] = await Promise.all([problemsOf(client, names, use, former.tries), former.ours]);
    return { problems, formerNames: ours };
  }

  /** Detects a server that stops accepting writes while there are none. */
  private async probe(client: RedisClient): Promise<void> {
    if (performance.now() - this.probedAtMs < PROBE_MS) return;
    this.probedAtMs = performance.now();
    await client.set(this.options.names.own('probe'), '1', expiry(PROBE_MS)).catch((error: unknown) => {
      const refused = refusalIn(error);
      if (refused === undefined) throw error;
      this.options.trouble.refused(refused);
    });
  }

  private info(): Promise<unknown> {
    return this.options.calls.write((client) => client.info().catch(refusal));
  }
}

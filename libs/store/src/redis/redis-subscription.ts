import { RedisConnection, type RedisClient, type RedisTarget } from './connection/redis-connection.js';
import { refusal } from './connection/redis-refusal.js';
import { valueOf } from './server/server-info.js';
import type { Subscription } from '../ports/feed.js';
import type { StoreLog } from '../store-log.js';

/**
 * How long a heartbeat proves the subscription live, counted from its sending. Messages and replies of one connection come in
 * order, so its answer proves that everything published before has arrived; after a pause or a cut, the process finds its
 * lease expired.
 */
const LEASE_MS = 500;

export interface RedisSubscriptionOptions {
  readonly target: RedisTarget;
  /** The name in Redis. */
  readonly channel: string;
  readonly log: StoreLog | undefined;
  /** Names the server that answers the store's commands; undefined while it is unknown. */
  readonly runId: () => string | undefined;
  /** This subscription has found another server. */
  readonly onOtherServer: () => void;
}

/**
 * One channel on its own connection. It is never live on a replica, which may lag behind or be cut off, nor on a server other than
 * the one that answers the store's commands: after a failover one connection may lead to the new master and the other to the old one.
 */
export class RedisSubscription implements Subscription {
  private leaseEndsAtMs = 0;
  private wasLive = false;
  private leaseTimer: NodeJS.Timeout | undefined;
  private readonly listeners: ((live: boolean) => void)[] = [];
  private readonly lostListeners: (() => void)[] = [];
  private readonly connection: RedisConnection;

  private runId: string | undefined;

  constructor(
    private readonly options: RedisSubscriptionOptions,
    listener: (message: string) => void,
  ) {
    const { target, channel, log } = options;
    this.connection = new RedisConnection(
      target,
      `subscriber of ${channel}`,
      {
        prepare: (client) => Promise.all([this.identify(client), client.subscribe(channel, listener)]),
        beat: (client) => this.beat(client),
        heartbeat: (sentAtMs) => this.extendLease(sentAtMs + LEASE_MS),
        down: () => {
          this.extendLease(0);
          for (const listener of this.lostListeners) listener();
        },
      },
      log,
    );
  }

  /** The known reason why it is not live. */
  get trouble(): string | undefined {
    return this.connection.trouble;
  }

  get live(): boolean {
    return performance.now() < this.leaseEndsAtMs;
  }

  onChange(listener: (live: boolean) => void): void {
    this.listeners.push(listener);
  }

  onLost(listener: () => void): void {
    this.lostListeners.push(listener);
  }

  async close(): Promise<void> {
    await this.connection.close();
    this.extendLease(0);
    clearTimeout(this.leaseTimer);
  }

  private async identify(client: RedisClient): Promise<void> {
    this.runId = valueOf(await client.info('server').catch(refusal), 'run_id');
  }

  private async beat(client: RedisClient): Promise<void> {
    const replication: unknown = await client.info('replication').catch(refusal);
    if (valueOf(replication, 'role') === 'slave')
      throw new Error('READONLY it is a replica, and may lag behind');
    const runId = this.options.runId();
    if (runId === undefined || this.runId === undefined || runId === this.runId) return;
    this.options.onOtherServer();
    throw new Error('it is not the server that answers commands');
  }

  private extendLease(endsAtMs: number): void {
    // The lease expired unnoticed: knowledge from the old lease must go before the new one begins.
    if (this.wasLive && !this.live) this.tell(false);
    this.leaseEndsAtMs = endsAtMs;
    if (this.live !== this.wasLive) this.tell(this.live);
    clearTimeout(this.leaseTimer);
    if (!this.live) return;
    this.leaseTimer = setTimeout(
      () => this.extendLease(this.leaseEndsAtMs),
      endsAtMs - performance.now() + 1,
    );
    this.leaseTimer.unref();
  }

  private tell(live: boolean): void {
    this.wasLive = live;
    for (const listener of this.listeners) listener(live);
  }
}

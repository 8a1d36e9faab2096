import { RedisConnection } from './redis-connection.js';
import type { StoreLog, Subscription } from './shared-store.js';

/**
 * How long a heartbeat vouches for the subscription, from when it was sent. Messages and replies of one connection come in
 * order, so its answer proves that everything published before was delivered; a process that was paused or cut off finds its
 * lease run out.
 */
const LEASE_MS = 500;

/** One channel on a connection of its own. */
export class RedisSubscription implements Subscription {
  private leaseEndsAtMs = 0;
  private wasLive = false;
  private leaseTimer: NodeJS.Timeout | undefined;
  private readonly listeners: ((live: boolean) => void)[] = [];
  private readonly lostListeners: (() => void)[] = [];
  private readonly connection: RedisConnection;

  constructor(url: string, channel: string, listener: (message: string) => void, log: StoreLog | undefined) {
    this.connection = new RedisConnection(
      url,
      `subscriber of ${channel}`,
      {
        prepare: (client) => client.subscribe(channel, listener),
        heartbeat: (sentAtMs) => this.extendLease(sentAtMs + LEASE_MS),
        down: () => {
          this.extendLease(0);
          for (const listener of this.lostListeners) listener();
        },
      },
      log,
    );
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

  private extendLease(endsAtMs: number): void {
    // Run out without anybody having looked: what was learnt under the old lease is gone before the new one begins.
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

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { KeyValues, Write } from './ports/key-values.js';
import type { StoreClock } from './ports/server-facts.js';

export interface StoreLockOptions {
  /** How long a holder has the lock if it never gives it back, in milliseconds. */
  readonly leaseMs: number;
  /** Decides whether a lock is still in force. */
  readonly clock: StoreClock;
}

/** How to wait for a lock that another holder has. */
export interface LockWait {
  /** Default: 0, a single try. */
  readonly waitMs?: number;
  /** Asked before each try; true ends the waiting without the lock. */
  readonly unless?: () => Promise<boolean>;
}

const POLL_MS = 25;

/**
 * Exclusive rights among all processes of a store. A lock of several keys has them all: each is enough to keep another holder out.
 *
 * A lock ends with its lease, whatever its holder does. So a holder writes by {@link HeldLock.write}, which writes nothing once the
 * lock is another's.
 */
export class StoreLock {
  constructor(
    private readonly store: KeyValues,
    private readonly options: StoreLockOptions,
  ) {}

  /**
   * @returns undefined while another holder has one of the keys
   * @throws {StoreUnavailable} and then the lock is free again after its lease at the latest
   */
  async take(keys: readonly string[], { waitMs = 0, unless }: LockWait = {}): Promise<HeldLock | undefined> {
    const deadlineMs = performance.now() + waitMs;
    do {
      if (await unless?.()) return undefined;
      const held = await this.tryToTake(keys);
      if (held) return held;
      if (waitMs > 0) await delay(POLL_MS);
    } while (performance.now() < deadlineMs);
    return undefined;
  }

  private async tryToTake(keys: readonly string[]): Promise<HeldLock | undefined> {
    const { clock, leaseMs } = this.options;
    const endsAtMs = clock.nowMs() + leaseMs;
    const held = new HeldLock(this.store, keys, () => clock.nowMs() < endsAtMs);
    const taken: string[] = [];
    try {
      for (const key of keys) {
        if (!(await this.store.setIfAbsent(key, held.owner, { ttlMs: leaseMs }))) break;
        taken.push(key);
      }
    } finally {
      if (taken.length < keys.length) await giveBack(this.store, taken, held.owner);
    }
    return taken.length < keys.length ? undefined : held;
  }
}

/** A lock that this process has taken. */
export class HeldLock {
  /** The value of its keys. */
  readonly owner = randomUUID();
  private isGivenBack = false;

  constructor(
    private readonly store: KeyValues,
    private readonly keys: readonly string[],
    private readonly inForce: () => boolean,
  ) {}

  /** False after so long that another holder may have it. */
  get isInForce(): boolean {
    return this.inForce();
  }

  /** All of the writes, or none. @returns false when the lock was lost meanwhile, and then nothing has changed */
  write(writes: readonly Write[]): Promise<boolean> {
    return this.store.writeAllIfEqual(this.keys[0]!, this.owner, writes);
  }

  /** The last {@link write}, which gives the lock back as well. */
  async writeAndRelease(writes: readonly Write[]): Promise<boolean> {
    const deletions = this.keys.map((key): Write => ({ op: 'delete', key }));
    this.isGivenBack = await this.write([...writes, ...deletions]);
    return this.isGivenBack;
  }

  /** Gives back what is still ours. A release that is lost costs the next holder the rest of the lease. */
  async release(): Promise<void> {
    if (!this.isGivenBack) await giveBack(this.store, this.keys, this.owner);
  }
}

async function giveBack(store: KeyValues, keys: readonly string[], owner: string): Promise<void> {
  for (const key of keys) await store.deleteIfEqual(key, owner).catch(() => undefined);
}

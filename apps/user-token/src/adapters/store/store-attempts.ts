import { hash, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Counters, HoldableLimit, KeyValues, NoPlace } from '@app/store';
import { attemptsKey, heldAttemptsKey } from '@app/contract';
import { Attempts, type Attempt, type Attempter } from '../../core/log-in/attempts.js';
import { networkOf } from '../../core/network.js';

export interface AttemptLimits {
  /** Wrong passwords for one account within the window, wherever they come from. */
  readonly perAccount: number;
  /** Wrong passwords from one address (IPv6: one /64) within the window, whatever the account. */
  readonly perAddress: number;
  readonly windowSeconds: number;
  /** Connection of an attempt that names none; undefined where it has no name. */
  readonly defaultRealm?: string | undefined;
}

export interface AttemptTimes {
  /** Longest time of an attempt. After that its place is free again: the process that made it may be gone. */
  readonly leaseMs: number;
  /** How long to wait for the outcome of other attempts. */
  readonly waitMs: number;
}

/** The first wait between tries, its growth, and the longest wait. */
const POLL_MS = { first: 50, factor: 2, longest: 400 };
/** In one process. More would only ask Redis more often. */
const MAX_WAITING = 100;
/** While other attempts are undecided, rarely for so long. */
const UNDECIDED_RETRY_SECONDS = 2;

/** Attempts counted in the shared store, so that all replicas count together. */
export class StoreAttempts extends Attempts {
  private waiting = 0;

  constructor(
    private readonly store: Counters & KeyValues,
    private readonly limits: AttemptLimits,
    private readonly times: AttemptTimes,
  ) {
    super();
  }

  override async begin(attempter: Attempter): Promise<Attempt | { readonly retryAfterSeconds: number }> {
    const limits = this.limitsOf(attempter);
    const holder = randomUUID();
    const deadlineMs = performance.now() + this.times.waitMs;
    for (let pollMs = POLL_MS.first; ; pollMs = Math.min(pollMs * POLL_MS.factor, POLL_MS.longest)) {
      const askedAtMs = performance.now();
      const full = await this.hold(limits, holder);
      if (!full) return this.attempt(attempter, limits, holder, askedAtMs + this.times.leaseMs);
      const mayWait = full.reason === 'held' && askedAtMs < deadlineMs && this.waiting < MAX_WAITING;
      if (!mayWait) return { retryAfterSeconds: retryAfterSeconds(full) };
      this.waiting += 1;
      await delay(pollMs);
      this.waiting -= 1;
    }
  }

  private async hold(limits: readonly HoldableLimit[], holder: string): Promise<NoPlace | undefined> {
    try {
      return await this.store.holdAll(limits, { holder, leaseMs: this.times.leaseMs });
    } catch (error) {
      // The late answer may have been that the attempt has its places.
      void quietly(() => this.store.giveUpAll(limits, { holder }));
      throw error;
    }
  }

  private limitsOf({
    username,
    realm = this.limits.defaultRealm,
    clientAddress,
  }: Attempter): HoldableLimit[] {
    const account = JSON.stringify([realm ?? null, comparable(username)]);
    const limits = [limitOf('account', account, this.limits.perAccount)];
    if (clientAddress !== undefined)
      limits.push(limitOf('address', networkOf(clientAddress), this.limits.perAddress));
    return limits;
  }

  private attempt(
    { username }: Attempter,
    limits: readonly HoldableLimit[],
    holder: string,
    leaseEndMs: number,
  ): Attempt {
    const { store } = this;
    const countForMs = this.limits.windowSeconds * 1000;
    return {
      get counts() {
        return performance.now() < leaseEndMs;
      },
      succeeded: () =>
        quietly(async () => {
          await store.giveUpAll(limits, { holder });
          // A good log-in clears neither the count of its address nor, as a look-alike, the count of another account.
          if (!isLookAlike(username)) await store.delete(limits[0]!.key);
        }),
      failed: () => store.giveUpAll(limits, { holder, countForMs }),
      undecided: () => quietly(() => store.giveUpAll(limits, { holder })),
    };
  }
}

function limitOf(kind: 'account' | 'address', name: string, max: number): HoldableLimit {
  const digest = hash('sha256', name, 'base64url');
  return { key: attemptsKey(kind, digest), heldKey: heldAttemptsKey(kind, digest), max };
}

function retryAfterSeconds(full: NoPlace): number {
  return full.reason === 'held' ? UNDECIDED_RETRY_SECONDS : Math.ceil(full.waitMs / 1000);
}

/** A failure costs only time: the place is free at the end of its lease. */
async function quietly(giveUp: () => Promise<void>): Promise<void> {
  await giveUp().catch(() => undefined);
}

/** Spellings that a directory may take for the same account share a count. The password stays as it is. */
function comparable(username: string): string {
  return username.normalize('NFKC').trim().toLowerCase();
}

/** A spelling that shares a count, and that a directory may hold as an account of its own, e.g. in full-width letters. */
function isLookAlike(username: string): boolean {
  return username.normalize('NFC').trim().toLowerCase() !== comparable(username);
}

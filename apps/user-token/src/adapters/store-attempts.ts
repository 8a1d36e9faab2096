import { hash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import type { Limit, SharedStore } from '@app/redis';
import { attemptsKey } from '@app/user-token-client';
import { Attempts, type Attempt, type Attempter } from '../core/attempts.js';

export interface AttemptLimits {
  /** Wrong passwords for one account within the window, wherever they come from. */
  readonly perAccount: number;
  /** Wrong passwords from one address (IPv6: one /64) within the window, whatever the account. */
  readonly perAddress: number;
  readonly windowSeconds: number;
}

/** Attempts counted in the shared store, so that all replicas count together. */
export class StoreAttempts extends Attempts {
  constructor(
    private readonly store: SharedStore,
    private readonly limits: AttemptLimits,
  ) {
    super();
  }

  override async begin({ username, clientAddress }: Attempter) {
    const account = attemptsKey('account', digest(comparable(username)));
    const address =
      clientAddress === undefined ? undefined : attemptsKey('address', digest(networkOf(clientAddress)));
    const counted: Limit[] = [{ key: account, max: this.limits.perAccount }];
    if (address !== undefined) counted.push({ key: address, max: this.limits.perAddress });
    const waitMs = await this.store.countAll(counted, { windowMs: this.limits.windowSeconds * 1000 });
    if (waitMs !== undefined) return { retryAfterSeconds: Math.ceil(waitMs / 1000) };
    const attempt: Attempt = {
      succeeded: () =>
        quietly(async () => {
          await this.store.delete(account);
          // One good log-in must not wipe out what else came from this address.
          if (address !== undefined) await this.store.uncountAll([address]);
        }),
      undecided: () => quietly(() => this.store.uncountAll(counted.map(({ key }) => key))),
    };
    return attempt;
  }
}

/** The outcome stands whether or not it could be counted; at worst somebody waits out the window. */
async function quietly(count: () => Promise<void>): Promise<void> {
  await count().catch(() => undefined);
}

/** Spellings that a directory may take for the same account share a count. The password is never touched. */
function comparable(username: string): string {
  return username.normalize('NFKC').trim().toLowerCase();
}

/** An IPv6 host has a /64 to itself: counting by address would let it start anew 2^64 times. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = '', tail = ''] = address.toLowerCase().split('::');
  const front = head.split(':').filter(Boolean);
  const back = tail.split(':').filter(Boolean);
  const zeros = address.includes('::') ? Math.max(0, 8 - front.length - back.length) : 0;
  const groups = [...front, ...Array<string>(zeros).fill('0'), ...back];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url');
}

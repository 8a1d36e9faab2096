import { LRUCache } from 'lru-cache';
import type { InactiveReason } from '@app/contract';

export interface RefusedTokensOptions {
  /** How long a refusal is remembered, in milliseconds; 0: not at all. */
  readonly ttlMs: number;
  /** Maximum number of refusals; a flood of garbage evicts garbage only. */
  readonly max: number;
}

/** Recently refused tokens, by their {@link principalKey}: only refusals, never outages. */
export class RefusedTokens {
  private readonly reasons: LRUCache<string, InactiveReason> | undefined;

  constructor({ ttlMs, max }: RefusedTokensOptions) {
    // A cache without a time to live would remember forever.
    if (ttlMs > 0) this.reasons = new LRUCache({ ttl: Math.ceil(ttlMs), max: Math.ceil(max) });
  }

  /** @returns undefined for a token that was not refused, or is forgotten */
  reasonOf(key: string): InactiveReason | undefined {
    return this.reasons?.get(key);
  }

  add(key: string, reason: InactiveReason): void {
    this.reasons?.set(key, reason);
  }
}

import type { InactiveReason } from '@app/user-token-client';

export interface RefusedTokensOptions {
  /** How long a refusal is remembered, in milliseconds. */
  readonly ttlMs: number;
  /** How many are remembered; a flood of garbage evicts garbage only. */
  readonly max: number;
}

interface Refusal {
  /** By performance.now(). */
  readonly untilMs: number;
  readonly reason: InactiveReason;
}

/**
 * Tokens that were refused lately, by their {@link tokenKey}: refusals alone, never outages. In two generations, the older of
 * which is dropped, whole, when the younger one has half of the number.
 */
export class RefusedTokens {
  private recent = new Map<string, Refusal>();
  private former = new Map<string, Refusal>();

  constructor(private readonly options: RefusedTokensOptions) {}

  /** @returns undefined for one that was not refused, or is forgotten */
  reasonOf(key: string): InactiveReason | undefined {
    const refusal = this.recent.get(key) ?? this.former.get(key);
    return refusal !== undefined && performance.now() < refusal.untilMs ? refusal.reason : undefined;
  }

  add(key: string, reason: InactiveReason): void {
    if (this.recent.size >= this.options.max / 2) {
      this.former = this.recent;
      this.recent = new Map();
    }
    this.recent.set(key, { untilMs: performance.now() + this.options.ttlMs, reason });
  }
}

import type { InactiveReason } from '@app/contract';

export interface RefusedTokensOptions {
  /** How long a refusal is remembered, in milliseconds. */
  readonly ttlMs: number;
  /** Maximum number of refusals; a flood of garbage evicts garbage only. */
  readonly max: number;
}

interface Refusal {
  /** By performance.now(). */
  readonly untilMs: number;
  readonly reason: InactiveReason;
}

/**
 * Recently refused tokens, by their {@link tokenKey}: only refusals, never outages. There are two generations; the older one is
 * dropped as a whole when the younger one holds half of the maximum.
 */
export class RefusedTokens {
  private recent = new Map<string, Refusal>();
  private former = new Map<string, Refusal>();

  constructor(private readonly options: RefusedTokensOptions) {}

  /** @returns undefined for a token that was not refused, or is forgotten */
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

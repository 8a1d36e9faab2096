export interface RefusedTokensOptions {
  /** How long a refusal is remembered, in milliseconds. */
  readonly ttlMs: number;
  /** How many are remembered; a flood of garbage evicts garbage only. */
  readonly max: number;
}

/**
 * Tokens that were refused lately, by their {@link tokenKey}: refusals alone, never outages. In two generations, the older of
 * which is dropped, whole, when the younger one has half of the number.
 */
export class RefusedTokens {
  /** Key and when it is forgotten (performance.now()). */
  private recent = new Map<string, number>();
  private former = new Map<string, number>();

  constructor(private readonly options: RefusedTokensOptions) {}

  has(key: string): boolean {
    const untilMs = this.recent.get(key) ?? this.former.get(key);
    return untilMs !== undefined && performance.now() < untilMs;
  }

  add(key: string): void {
    if (this.recent.size >= this.options.max / 2) {
      this.former = this.recent;
      this.recent = new Map();
    }
    this.recent.set(key, performance.now() + this.options.ttlMs);
  }
}

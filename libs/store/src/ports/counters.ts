/** How often an event may happen, counted under a key. */
export interface Limit {
  readonly key: string;
  readonly max: number;
}

/** A limit with places for attempts without a result so far. */
export interface HoldableLimit extends Limit {
  /** Key of the place holders; not the key of the count. */
  readonly heldKey: string;
}

/** Why there is no free place. `counted`: the limit is reached, for this long. `held`: it would be if all holders counted. */
export type NoPlace = { readonly reason: 'counted'; readonly waitMs: number } | { readonly reason: 'held' };

/** Counts up to a limit, exact for all processes together. */
export abstract class Counters {
  /**
   * Counts one more under each key, or under none if one of them is at its limit; atomic. The first count under a key starts
   * its `windowMs`.
   *
   * @returns how long to wait, in milliseconds, or undefined when it was counted
   */
  abstract countAll(
    limits: readonly Limit[],
    options: { readonly windowMs: number },
  ): Promise<number | undefined>;
  /**
   * Holds a place at each limit, or at none if counts and held places have reached one of them; atomic. A place that is not given
   * up ends after `leaseMs`.
   *
   * @returns undefined when the places are held
   */
  abstract holdAll(
    limits: readonly HoldableLimit[],
    options: { readonly holder: string; readonly leaseMs: number },
  ): Promise<NoPlace | undefined>;
  /** Gives up the places; atomic. With `countForMs` they count from now on, whether they were still held or not. */
  abstract giveUpAll(
    limits: readonly HoldableLimit[],
    options: { readonly holder: string; readonly countForMs?: number | undefined },
  ): Promise<void>;
  /** Takes back one count under each key. */
  abstract uncountAll(keys: readonly string[]): Promise<void>;
}

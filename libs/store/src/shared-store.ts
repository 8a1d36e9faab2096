/** One step of a transaction. */
export type Write =
  | { readonly op: 'set'; readonly key: string; readonly value: string; readonly ttlMs: number }
  | { readonly op: 'delete'; readonly key: string }
  | { readonly op: 'publish'; readonly channel: string; readonly message: string }
  /** Adds to a set with an expiry for each member; beyond `max`, the oldest are dropped. */
  | {
      readonly op: 'addMember';
      readonly key: string;
      readonly member: string;
      readonly ttlMs: number;
      readonly max: number;
    }
  | { readonly op: 'removeMember'; readonly key: string; readonly member: string };

/** How often an event may happen, counted under a key. */
export interface Limit {
  readonly key: string;
  readonly max: number;
}

/** A limit with places for attempts that are not decided yet. */
export interface HoldableLimit extends Limit {
  /** Key of the place holders; not the key of the count. */
  readonly heldKey: string;
}

/** Why there is no free place. `counted`: the limit is reached, for this long. `held`: it would be if all holders counted. */
export type NoPlace = { readonly reason: 'counted'; readonly waitMs: number } | { readonly reason: 'held' };

export interface CallOptions {
  /** How long the caller can wait. Default: the store's budget for reads or for writes. */
  readonly timeoutMs?: number;
}

/** Messages of one channel. */
export interface Subscription {
  /**
   * Whether every message published so far has certainly been delivered: false once the connection is lost or silent for half
   * a second, or the process was paused, until it is certain again. Costs a comparison of numbers.
   */
  readonly live: boolean;
  /** Called whenever `live` has changed. */
  onChange(listener: (live: boolean) => void): void;
  /** Called whenever the connection was lost: messages from then on, until `live` is true again, are never delivered. */
  onLost(listener: () => void): void;
  close(): Promise<void>;
}

/**
 * The shared data of the suite's services. Names of keys and channels belong to one deployment: Redis stores them under its prefix
 * (`storePrefix`), so they never mix with those of others. Every call settles within its budget, whatever Redis does: with an answer,
 * or by rejecting with {@link StoreUnavailable}.
 */
export abstract class SharedStore {
  /** False where no other process sees the data (`memory:`). */
  abstract readonly shared: boolean;
  /** Whether a call can succeed right now; for readiness. */
  abstract readonly available: boolean;
  /** The current problems of the store, a sentence each, for readiness: it is away, or refuses requests. */
  get problems(): readonly string[] {
    return [];
  }

  /** False where the current server is a replica: it accepts no writes, and may lag behind. */
  get takesWrites(): boolean {
    return true;
  }

  /**
   * Names the current server and the history of its data: it changes with each start of Redis, and whenever a copy takes over.
   * Undefined while it is unknown, and for a replica. An answer of `getMany` comes from this server.
   */
  abstract readonly serverId: string | undefined;
  /** The store's own clock, shared by all processes: Unix time in milliseconds. Our own clock until the first contact. */
  abstract nowMs(): number;

  /** Values in the order of `keys`, null for an absent one; one round trip. */
  abstract getMany(keys: readonly string[], options?: CallOptions): Promise<(string | null)[]>;
  abstract set(key: string, value: string, options: CallOptions & { readonly ttlMs: number }): Promise<void>;
  /** @returns whether the key was absent and has been set */
  abstract setIfAbsent(
    key: string,
    value: string,
    options: CallOptions & { readonly ttlMs: number },
  ): Promise<boolean>;
  abstract delete(key: string, options?: CallOptions): Promise<void>;
  /** @returns whether the key held this value and has been deleted; atomic */
  abstract deleteIfEqual(key: string, value: string, options?: CallOptions): Promise<boolean>;
  /** All of the writes, or none when it rejects because one was refused. */
  abstract writeAll(writes: readonly Write[], options?: CallOptions): Promise<void>;
  /** All of the writes, provided that `key` still holds `value` (null: is absent); atomic. @returns whether it did */
  abstract writeAllIfEqual(
    key: string,
    value: string | null,
    writes: readonly Write[],
    options?: CallOptions,
  ): Promise<boolean>;
  /** Members of a set that have not expired, the last to expire first. */
  abstract members(key: string, options?: CallOptions): Promise<readonly string[]>;
  /**
   * Counts one more under each key, or under none if one of them is at its limit; atomic. The first count under a key starts
   * its `windowMs`.
   *
   * @returns how long to wait, in milliseconds, or undefined when it was counted
   */
  abstract countAll(
    limits: readonly Limit[],
    options: CallOptions & { readonly windowMs: number },
  ): Promise<number | undefined>;
  /**
   * Holds a place at each limit, or at none if counts and held places have reached one of them; atomic. A place that is not given
   * up ends after `leaseMs`.
   *
   * @returns undefined when the places are held
   */
  abstract holdAll(
    limits: readonly HoldableLimit[],
    options: CallOptions & { readonly holder: string; readonly leaseMs: number },
  ): Promise<NoPlace | undefined>;
  /** Gives up the places; atomic. With `countForMs` they count from now on, whether they were still held or not. */
  abstract giveUpAll(
    limits: readonly HoldableLimit[],
    options: CallOptions & { readonly holder: string; readonly countForMs?: number | undefined },
  ): Promise<void>;
  /** Takes back one count under each key. */
  abstract uncountAll(keys: readonly string[], options?: CallOptions): Promise<void>;
  /** Every key with this prefix that exists throughout the scan; keys added or deleted meanwhile may be missed. */
  abstract scan(prefix: string): AsyncIterable<{ readonly key: string; readonly value: string }>;
  /** Whether writes survive a restart of the store's server. */
  abstract keepsWrites(): Promise<boolean>;
  /** Settings of the store that could lose writes; empty if there are none. */
  abstract weaknesses(): Promise<readonly string[]>;
  abstract subscribe(channel: string, listener: (message: string) => void): Subscription;
  /** Calls the listener each time the store becomes available, the first time included. Returns a function that ends this. */
  abstract onAvailable(listener: () => void): () => void;
  abstract close(): Promise<void>;
}

/** The store did not answer within the budget, refused, or is unreachable. */
export class StoreUnavailable extends Error {
  readonly code = 'store_unavailable';

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StoreUnavailable';
  }
}

/** Log of a store's outages and returns, one line each. */
export interface StoreLog {
  info(message: string): void;
  warn(message: string): void;
}

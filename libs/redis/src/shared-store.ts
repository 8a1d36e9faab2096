import type { CacheManagerStore } from 'cache-manager';

/** One step of a transaction. */
export type Write =
  | { readonly op: 'set'; readonly key: string; readonly value: string; readonly ttlMs: number }
  | { readonly op: 'delete'; readonly key: string }
  | { readonly op: 'publish'; readonly channel: string; readonly message: string }
  /** Into a set whose members expire each on its own; of more than `max` the oldest are dropped. */
  | {
      readonly op: 'addMember';
      readonly key: string;
      readonly member: string;
      readonly ttlMs: number;
      readonly max: number;
    }
  | { readonly op: 'removeMember'; readonly key: string; readonly member: string };

/** How often something may happen, counted under a key. */
export interface Limit {
  readonly key: string;
  readonly max: number;
}

/** A limit at which places can be held by those of whom it is not known yet whether they count. */
export interface HoldableLimit extends Limit {
  /** Where those who hold a place are kept; not the key of the count. */
  readonly heldKey: string;
}

/** Why no place can be held. `counted`: the limit is reached, for so long. `held`: it would be if all who hold a place counted. */
export type NoPlace = { readonly reason: 'counted'; readonly waitMs: number } | { readonly reason: 'held' };

export interface CallOptions {
  /** How long the caller is ready to wait. Default: the store's budget for reads or for writes. */
  readonly timeoutMs?: number;
}

/** Messages of one channel. */
export interface Subscription {
  /**
   * Whether every message published so far has been delivered, as far as can be known: false from the moment the connection
   * is lost, silent for half a second, or the process was paused, until it is certain again. Costs a comparison of numbers.
   */
  readonly live: boolean;
  /** Told whenever `live` has changed. */
  onChange(listener: (live: boolean) => void): void;
  /** Told whenever the connection was lost: what is published from then on, until `live` is true again, is never delivered. */
  onLost(listener: () => void): void;
  close(): Promise<void>;
}

/**
 * What the services of the suite share. Names of keys and channels are those of one deployment: a Redis knows them with its prefix
 * before them (`storePrefix`), and never mixes them with those of others. Every call settles within its budget, whatever Redis does: with an answer, or by
 * rejecting with {@link StoreUnavailable}.
 */
export abstract class SharedStore {
  /** False where no other process sees the data (`memory:`). */
  abstract readonly shared: boolean;
  /** Whether a call has a chance right now; for readiness. */
  abstract readonly available: boolean;
  /** What is wrong with the store at the moment, a sentence each, for readiness: it is away, or refuses what is asked of it. */
  get problems(): readonly string[] {
    return [];
  }

  /** False where the server behind the connection of the moment is a replica: nobody writes there, and it may lag behind. */
  get takesWrites(): boolean {
    return true;
  }

  /**
   * Names the server behind the connection of the moment, and the history of its data: another one after each start of Redis, and
   * whenever a copy takes its place. Undefined while that is not known, and for a replica. A `getMany` that is answered comes from this server.
   */
  abstract readonly serverId: string | undefined;
  /** The store's own clock, the one that all processes share: Unix time in milliseconds. Our own until the store was there. */
  abstract nowMs(): number;
  /** For Nest's CacheModule, by cache-manager's `KeyvAdapter`: values as JSON, TTLs in milliseconds. */
  abstract readonly cacheStore: CacheManagerStore;

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
  /** All of the writes or, when it rejects because one was refused, none. */
  abstract writeAll(writes: readonly Write[], options?: CallOptions): Promise<void>;
  /** All of the writes, provided that `key` still holds `value`, null being nothing at all; atomic. @returns whether it did */
  abstract writeAllIfEqual(
    key: string,
    value: string | null,
    writes: readonly Write[],
    options?: CallOptions,
  ): Promise<boolean>;
  /** Members of a set that have not expired, in order of their expiry, the last to expire first. */
  abstract members(key: string, options?: CallOptions): Promise<readonly string[]>;
  /**
   * Counts one more under each key unless one of them is at its limit, and then under none; atomic. A count starts its life
   * of `windowMs` with its first.
   *
   * @returns how long to wait, in milliseconds, or undefined when it was counted
   */
  abstract countAll(
    limits: readonly Limit[],
    options: CallOptions & { readonly windowMs: number },
  ): Promise<number | undefined>;
  /**
   * Holds a place at each limit, unless what is counted and what others hold there has reached one of them, and then at none; atomic.
   * Who does not give a place up loses it after `leaseMs`.
   *
   * @returns undefined when the places are held
   */
  abstract holdAll(
    limits: readonly HoldableLimit[],
    options: CallOptions & { readonly holder: string; readonly leaseMs: number },
  ): Promise<NoPlace | undefined>;
  /** Gives the places up; atomic. With `countForMs` they count from now on, whether they were still held or not. */
  abstract giveUpAll(
    limits: readonly HoldableLimit[],
    options: CallOptions & { readonly holder: string; readonly countForMs?: number | undefined },
  ): Promise<void>;
  /** Takes one back under each key. */
  abstract uncountAll(keys: readonly string[], options?: CallOptions): Promise<void>;
  /** Every key with this prefix that exists throughout the scan; one that comes or goes meanwhile may be missed. */
  abstract scan(prefix: string): AsyncIterable<{ readonly key: string; readonly value: string }>;
  /** Whether the store keeps what was written when its server ends, so that a restart makes it no older than it was. */
  abstract keepsWrites(): Promise<boolean>;
  /** What of the store's own configuration could lose what was written; empty when nothing. */
  abstract weaknesses(): Promise<readonly string[]>;
  abstract subscribe(channel: string, listener: (message: string) => void): Subscription;
  /** Told each time the store becomes available, the first time included. Returns how to stop being told. */
  abstract onAvailable(listener: () => void): () => void;
  abstract close(): Promise<void>;
}

/** The store did not answer within the budget, refused, or cannot be reached. */
export class StoreUnavailable extends Error {
  readonly code = 'store_unavailable';

  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'StoreUnavailable';
  }
}

/** Where a store reports that it went away or came back, once each time. */
export interface StoreLog {
  info(message: string): void;
  warn(message: string): void;
}

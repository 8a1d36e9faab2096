import type { Wait } from './wait.js';

/** One step of a transaction. */
export type Write =
  | { readonly op: 'set'; readonly key: string; readonly value: string; readonly ttlMs: number }
  | { readonly op: 'delete'; readonly key: string }
  /** {@link Feed} delivers the message. */
  | { readonly op: 'publish'; readonly channel: string; readonly message: string }
  /** Adds to one of the {@link Sets}; beyond `max`, the oldest members are dropped. */
  | {
      readonly op: 'addMember';
      readonly key: string;
      readonly member: string;
      readonly ttlMs: number;
      readonly max: number;
    }
  | { readonly op: 'removeMember'; readonly key: string; readonly member: string }
  /** Adds an entry to a {@link Journal}, which keeps at least the last `max` entries. */
  | { readonly op: 'append'; readonly key: string; readonly value: string; readonly max: number };

/** Values under keys, each with an expiry, and transactions. */
export abstract class KeyValues {
  /** Values in the order of `keys`, null for an absent one; one round trip. */
  abstract getMany(keys: readonly string[], wait?: Wait): Promise<(string | null)[]>;
  abstract set(key: string, value: string, options: { readonly ttlMs: number }): Promise<void>;
  /** @returns whether the key was absent and has been set */
  abstract setIfAbsent(key: string, value: string, options: { readonly ttlMs: number }): Promise<boolean>;
  abstract delete(key: string): Promise<void>;
  /** @returns whether the key held this value and has been deleted; atomic */
  abstract deleteIfEqual(key: string, value: string): Promise<boolean>;
  /** All of the writes, or none when it rejects because one was refused. */
  abstract writeAll(writes: readonly Write[], wait?: Wait): Promise<void>;
  /** All of the writes, provided that `key` still holds `value` (null: is absent); atomic. @returns whether it did */
  abstract writeAllIfEqual(
    key: string,
    value: string | null,
    writes: readonly Write[],
    wait?: Wait,
  ): Promise<boolean>;
}

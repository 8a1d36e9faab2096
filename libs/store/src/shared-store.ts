import type { Counters, HoldableLimit, Limit } from './ports/counters.js';
import type { Feed } from './ports/feed.js';
import type { Journal } from './ports/journal.js';
import type { KeyValues, Write } from './ports/key-values.js';
import type { Scan } from './ports/scan.js';
import type { ServerFacts } from './ports/server-facts.js';
import type { Sets } from './ports/sets.js';
import type { Wait } from './ports/wait.js';

/**
 * The shared data of the suite's services: every port of a store in one object, for the code that opens and closes it. All other code
 * asks for the ports that it uses.
 *
 * Names of keys and channels belong to one deployment: Redis stores them under its prefix (`storePrefix`), so they never mix with
 * those of others. Every call settles within its budget, whatever Redis does: with an answer, or by rejecting with
 * {@link StoreUnavailable}.
 */
export interface SharedStore extends KeyValues, Sets, Journal, Scan, Counters, Feed, ServerFacts {
  close(): Promise<void>;
}

/** One kind of store, port by port. */
export interface StoreParts {
  readonly keyValues: KeyValues;
  readonly sets: Sets;
  readonly journal: Journal;
  readonly scan: Scan;
  readonly counters: Counters;
  readonly feed: Feed;
  readonly server: ServerFacts;
  close(): Promise<void>;
}

/** The ports of {@link StoreParts} in one object. */
export class JoinedStore implements SharedStore {
  constructor(private readonly parts: StoreParts) {}

  getMany(keys: readonly string[], wait?: Wait) {
    return this.parts.keyValues.getMany(keys, wait);
  }

  set(key: string, value: string, options: { readonly ttlMs: number }) {
    return this.parts.keyValues.set(key, value, options);
  }

  setIfAbsent(key: string, value: string, options: { readonly ttlMs: number }) {
    return this.parts.keyValues.setIfAbsent(key, value, options);
  }

  delete(key: string) {
    return this.parts.keyValues.delete(key);
  }

  deleteIfEqual(key: string, value: string) {
    return this.parts.keyValues.deleteIfEqual(key, value);
  }

  writeAll(writes: readonly Write[], wait?: Wait) {
    return this.parts.keyValues.writeAll(writes, wait);
  }

  writeAllIfEqual(key: string, value: string | null, writes: readonly Write[], wait?: Wait) {
    return this.parts.keyValues.writeAllIfEqual(key, value, writes, wait);
  }

  members(key: string, wait?: Wait) {
    return this.parts.sets.members(key, wait);
  }

  lastEntries(
    key: string,
    options: { readonly max: number; readonly before?: string | undefined },
    wait?: Wait,
  ) {
    return this.parts.journal.lastEntries(key, options, wait);
  }

  scan(prefix: string) {
    return this.parts.scan.scan(prefix);
  }

  countAll(limits: readonly Limit[], options: { readonly windowMs: number }) {
    return this.parts.counters.countAll(limits, options);
  }

  holdAll(limits: readonly HoldableLimit[], options: { readonly holder: string; readonly leaseMs: number }) {
    return this.parts.counters.holdAll(limits, options);
  }

  giveUpAll(
    limits: readonly HoldableLimit[],
    options: { readonly holder: string; readonly countForMs?: number | undefined },
  ) {
    return this.parts.counters.giveUpAll(limits, options);
  }

  uncountAll(keys: readonly string[]) {
    return this.parts.counters.uncountAll(keys);
  }

  subscribe(channel: string, listener: (message: string) => void) {
    return this.parts.feed.subscribe(channel, listener);
  }

  get shared() {
    return this.parts.server.shared;
  }

  get available() {
    return this.parts.server.available;
  }

  get problems() {
    return this.parts.server.problems;
  }

  get takesWrites() {
    return this.parts.server.takesWrites;
  }

  get serverId() {
    return this.parts.server.serverId;
  }

  nowMs() {
    return this.parts.server.nowMs();
  }

  keepsWrites() {
    return this.parts.server.keepsWrites();
  }

  weaknesses() {
    return this.parts.server.weaknesses();
  }

  onAvailable(listener: () => void) {
    return this.parts.server.onAvailable(listener);
  }

  close() {
    return this.parts.close();
  }
}

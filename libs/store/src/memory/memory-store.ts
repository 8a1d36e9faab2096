import {
  SharedStore,
  StoreUnavailable,
  type HoldableLimit,
  type Limit,
  type NoPlace,
  type Subscription,
  type Write,
} from '../shared-store.js';
import { isFormerName } from '../store-names.js';

const PURGE_INTERVAL_MS = 30_000;

interface Entry {
  readonly value: string;
  readonly expiresAtMs: number;
}

/**
 * A store inside this process, for local work and tests: all its users must run in the same process, and its data ends
 * with the process.
 */
export class MemoryStore extends SharedStore {
  override readonly shared = false;
  override readonly serverId = 'memory';
  private readonly entries = new Map<string, Entry>();
  private readonly listeners = new Map<string, Set<(message: string) => void>>();
  private readonly purge = setInterval(() => this.dropExpired(), PURGE_INTERVAL_MS).unref();
  private closed = false;

  override get available(): boolean {
    return !this.closed;
  }

  override nowMs(): number {
    return Date.now();
  }

  override async getMany(keys: readonly string[]): Promise<(string | null)[]> {
    this.assertOpen();
    return keys.map((key) => this.read(key)?.value ?? null);
  }

  override async set(key: string, value: string, { ttlMs }: { ttlMs: number }): Promise<void> {
    this.assertOpen();
    this.entries.set(key, { value, expiresAtMs: Date.now() + ttlMs });
  }

  override async setIfAbsent(key: string, value: string, options: { ttlMs: number }): Promise<boolean> {
    this.assertOpen();
    if (isFormerName(key)) return true;
    if (this.read(key)) return false;
    await this.set(key, value, options);
    return true;
  }

  override async delete(key: string): Promise<void> {
    this.assertOpen();
    this.entries.delete(key);
  }

  override async deleteIfEqual(key: string, value: string): Promise<boolean> {
    this.assertOpen();
    return this.read(key)?.value === value && this.entries.delete(key);
  }

  override async writeAll(writes: readonly Write[]): Promise<void> {
    this.assertOpen();
    for (const write of writes) {
      // No earlier version can have left anything.
      if (isFormerName(write.op === 'publish' ? write.channel : write.key)) continue;
      if (write.op === 'set')
        this.entries.set(write.key, { value: write.value, expiresAtMs: Date.now() + write.ttlMs });
      else if (write.op === 'delete') this.entries.delete(write.key);
      else if (write.op === 'publish') this.publish(write.channel, write.message);
      else this.changeMembers(write);
    }
  }

  override async writeAllIfEqual(
    key: string,
    value: string | null,
    writes: readonly Write[],
  ): Promise<boolean> {
    this.assertOpen();
    if ((this.read(key)?.value ?? null) !== value) return false;
    await this.writeAll(writes);
    return true;
  }

  override async members(key: string): Promise<readonly string[]> {
    this.assertOpen();
    return this.membersOf(key)
      .toReversed()
      .map(([member]) => member);
  }

  override async countAll(
    limits: readonly Limit[],
    { windowMs }: { windowMs: number },
  ): Promise<number | undefined> {
    this.assertOpen();
    const waitMs = this.waitMsAt(limits);
    if (waitMs === undefined) for (const { key } of limits) this.add(key, 1, windowMs);
    return waitMs;
  }

  override async holdAll(
    limits: readonly HoldableLimit[],
    { holder, leaseMs }: { holder: string; leaseMs: number },
  ): Promise<NoPlace | undefined> {
    this.assertOpen();
    const waitMs = this.waitMsAt(limits);
    if (waitMs !== undefined) return { reason: 'counted', waitMs };
    const isFull = ({ key, heldKey, max }: HoldableLimit) =>
      this.countOf(key) + this.membersOf(heldKey).length >= max;
    if (limits.some(isFull)) return { reason: 'held' };
    for (const { heldKey } of limits)
      this.changeMembers({ op: 'addMember', key: heldKey, member: holder, ttlMs: leaseMs, max: Infinity });
    return undefined;
  }

  override async giveUpAll(
    limits: readonly HoldableLimit[],
    { holder, countForMs = 0 }: { holder: string; countForMs?: number | undefined },
  ): Promise<void> {
    this.assertOpen();
    for (const { key, heldKey } of limits) {
      this.changeMembers({ op: 'removeMember', key: heldKey, member: holder });
      if (countForMs > 0) this.add(key, 1, countForMs);
    }
  }

  override async uncountAll(keys: readonly string[]): Promise<void> {
    this.assertOpen();
    for (const key of keys) if (this.countOf(key) > 0) this.add(key, -1, 0);
  }

  override async *scan(prefix: string): AsyncIterable<{ key: string; value: string }> {
    this.assertOpen();
    for (const key of [...this.entries.keys()]) {
      const entry = key.startsWith(prefix) ? this.read(key) : undefined;
      if (entry) yield { key, value: entry.value };
    }
  }

  override async keepsWrites(): Promise<boolean> {
    return false;
  }

  override async weaknesses(): Promise<readonly string[]> {
    return [];
  }

  override subscribe(channel: string, listener: (message: string) => void): Subscription {
    const listeners = this.listeners.get(channel) ?? new Set();
    this.listeners.set(channel, listeners.add(listener));
    return {
      live: true,
      onChange: () => undefined,
      onLost: () => undefined,
      close: async () => void listeners.delete(listener),
    };
  }

  override onAvailable(listener: () => void): () => void {
    const soon = setImmediate(listener);
    return () => clearImmediate(soon);
  }

  override async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.purge);
    this.entries.clear();
    this.listeners.clear();
  }

  /** Delivered at once: a listener in this process cannot lag behind a write. */
  private publish(channel: string, message: string): void {
    for (const listener of this.listeners.get(channel) ?? []) listener(message);
  }

  private countOf(key: string): number {
    return Number(this.read(key)?.value ?? 0);
  }

  /** Time until the reached limits are lifted; undefined where none is reached. */
  private waitMsAt(limits: readonly Limit[]): number | undefined {
    const reached = limits.filter(({ key, max }) => this.countOf(key) >= max);
    if (reached.length === 0) return undefined;
    return Math.max(1, ...reached.map(({ key }) => (this.read(key)?.expiresAtMs ?? 0) - Date.now()));
  }

  private add(key: string, change: number, windowMs: number): void {
    const entry = this.read(key) ?? { value: '0', expiresAtMs: Date.now() + windowMs };
    this.entries.set(key, { ...entry, value: String(Number(entry.value) + change) });
  }

  /** In order of expiry. */
  private membersOf(key: string): [member: string, expiresAtMs: number][] {
    const stored = this.read(key)?.value;
    const members = stored === undefined ? [] : (JSON.parse(stored) as [string, number][]);
    return members.filter(([, expiresAtMs]) => expiresAtMs > Date.now());
  }

  private changeMembers(write: Extract<Write, { op: 'addMember' | 'removeMember' }>): void {
    const members = this.membersOf(write.key).filter(([member]) => member !== write.member);
    if (write.op === 'addMember') members.push([write.member, Date.now() + write.ttlMs]);
    members.sort(([, a], [, b]) => a - b);
    const kept = write.op === 'addMember' ? members.slice(-write.max) : members;
    const expiresAtMs = kept.at(-1)?.[1] ?? 0;
    this.entries.set(write.key, { value: JSON.stringify(kept), expiresAtMs });
  }

  private read(key: string): Entry | undefined {
    const entry = this.entries.get(key);
    if (entry && entry.expiresAtMs > Date.now()) return entry;
    this.entries.delete(key);
    return undefined;
  }

  private dropExpired(): void {
    for (const key of this.entries.keys()) this.read(key);
  }

  private assertOpen(): void {
    if (this.closed) throw new StoreUnavailable('the store is closed');
  }
}

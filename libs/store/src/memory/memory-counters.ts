import { Counters, type HoldableLimit, type Limit, type NoPlace } from '../ports/counters.js';
import type { MemoryEntries } from './memory-entries.js';
import type { MemorySets } from './memory-sets.js';

export class MemoryCounters extends Counters {
  constructor(
    private readonly entries: MemoryEntries,
    private readonly sets: MemorySets,
  ) {
    super();
  }

  override async countAll(
    limits: readonly Limit[],
    { windowMs }: { windowMs: number },
  ): Promise<number | undefined> {
    this.entries.assertOpen();
    const waitMs = this.waitMsAt(limits);
    if (waitMs === undefined) for (const { key } of limits) this.add(key, 1, windowMs);
    return waitMs;
  }

  override async holdAll(
    limits: readonly HoldableLimit[],
    { holder, leaseMs }: { holder: string; leaseMs: number },
  ): Promise<NoPlace | undefined> {
    this.entries.assertOpen();
    const waitMs = this.waitMsAt(limits);
    if (waitMs !== undefined) return { reason: 'counted', waitMs };
    const isFull = ({ key, heldKey, max }: HoldableLimit) =>
      this.countOf(key) + this.sets.size(heldKey) >= max;
    if (limits.some(isFull)) return { reason: 'held' };
    for (const { heldKey } of limits)
      this.sets.change({ op: 'addMember', key: heldKey, member: holder, ttlMs: leaseMs, max: Infinity });
    return undefined;
  }

  override async giveUpAll(
    limits: readonly HoldableLimit[],
    { holder, countForMs = 0 }: { holder: string; countForMs?: number | undefined },
  ): Promise<void> {
    this.entries.assertOpen();
    for (const { key, heldKey } of limits) {
      this.sets.change({ op: 'removeMember', key: heldKey, member: holder });
      if (countForMs > 0) this.add(key, 1, countForMs);
    }
  }

  override async uncountAll(keys: readonly string[]): Promise<void> {
    this.entries.assertOpen();
    for (const key of keys) if (this.countOf(key) > 0) this.add(key, -1, 0);
  }

  private countOf(key: string): number {
    return Number(this.entries.get(key)?.value ?? 0);
  }

  /** Time until the reached limits are lifted; undefined where none is reached. */
  private waitMsAt(limits: readonly Limit[]): number | undefined {
    const reached = limits.filter(({ key, max }) => this.countOf(key) >= max);
    if (reached.length === 0) return undefined;
    return Math.max(1, ...reached.map(({ key }) => (this.entries.get(key)?.expiresAtMs ?? 0) - Date.now()));
  }

  private add(key: string, change: number, windowMs: number): void {
    const { value, expiresAtMs } = this.entries.get(key) ?? {
      value: '0',
      expiresAtMs: Date.now() + windowMs,
    };
    this.entries.set(key, String(Number(value) + change), expiresAtMs);
  }
}

import { KeyValues, type Write } from '../ports/key-values.js';
import type { Scan } from '../ports/scan.js';
import { isFormerName } from '../store-names.js';
import type { MemoryEntries } from './memory-entries.js';
import type { MemoryFeed } from './memory-feed.js';
import type { MemoryJournal } from './memory-journal.js';
import type { MemorySets } from './memory-sets.js';

export class MemoryKeyValues extends KeyValues implements Scan {
  constructor(
    private readonly entries: MemoryEntries,
    private readonly sets: MemorySets,
    private readonly journal: MemoryJournal,
    private readonly feed: MemoryFeed,
  ) {
    super();
  }

  override async getMany(keys: readonly string[]): Promise<(string | null)[]> {
    this.entries.assertOpen();
    return keys.map((key) => this.entries.get(key)?.value ?? null);
  }

  override async set(key: string, value: string, { ttlMs }: { ttlMs: number }): Promise<void> {
    this.entries.set(key, value, Date.now() + ttlMs);
  }

  override async setIfAbsent(key: string, value: string, { ttlMs }: { ttlMs: number }): Promise<boolean> {
    this.entries.assertOpen();
    if (isFormerName(key)) return true;
    if (this.entries.get(key)) return false;
    this.entries.set(key, value, Date.now() + ttlMs);
    return true;
  }

  override async delete(key: string): Promise<void> {
    this.entries.delete(key);
  }

  override async deleteIfEqual(key: string, value: string): Promise<boolean> {
    return this.entries.get(key)?.value === value && this.entries.delete(key);
  }

  override async writeAll(writes: readonly Write[]): Promise<void> {
    this.entries.assertOpen();
    for (const write of writes) this.write(write);
  }

  override async writeAllIfEqual(
    key: string,
    value: string | null,
    writes: readonly Write[],
  ): Promise<boolean> {
    if ((this.entries.get(key)?.value ?? null) !== value) return false;
    for (const write of writes) this.write(write);
    return true;
  }

  async *scan(prefix: string): AsyncIterable<{ key: string; value: string }> {
    for (const key of this.entries.keys()) {
      const entry = key.startsWith(prefix) ? this.entries.get(key) : undefined;
      if (entry) yield { key, value: entry.value };
    }
  }

  private write(write: Write): void {
    // No earlier version can have left anything.
    if (isFormerName(write.op === 'publish' ? write.channel : write.key)) return;
    switch (write.op) {
      case 'set':
        return this.entries.set(write.key, write.value, Date.now() + write.ttlMs);
      case 'delete':
        return void this.entries.delete(write.key);
      case 'publish':
        return this.feed.publish(write.channel, write.message);
      case 'addMember':
      case 'removeMember':
        return this.sets.change(write);
      case 'append':
        return this.journal.append(write);
    }
  }
}

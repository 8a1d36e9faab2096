import type { Write } from '../ports/key-values.js';
import { Sets } from '../ports/sets.js';
import type { MemoryEntries } from './memory-entries.js';

export class MemorySets extends Sets {
  constructor(private readonly entries: MemoryEntries) {
    super();
  }

  override async members(key: string): Promise<readonly string[]> {
    return this.inOrderOfExpiry(key)
      .toReversed()
      .map(([member]) => member);
  }

  size(key: string): number {
    return this.inOrderOfExpiry(key).length;
  }

  change(write: Extract<Write, { op: 'addMember' | 'removeMember' }>): void {
    const members = this.inOrderOfExpiry(write.key).filter(([member]) => member !== write.member);
    if (write.op === 'addMember') members.push([write.member, Date.now() + write.ttlMs]);
    members.sort(([, a], [, b]) => a - b);
    const kept = write.op === 'addMember' ? members.slice(-write.max) : members;
    this.entries.set(write.key, JSON.stringify(kept), kept.at(-1)?.[1] ?? 0);
  }

  private inOrderOfExpiry(key: string): [member: string, expiresAtMs: number][] {
    const stored = this.entries.get(key)?.value;
    const members = stored === undefined ? [] : (JSON.parse(stored) as [string, number][]);
    return members.filter(([, expiresAtMs]) => expiresAtMs > Date.now());
  }
}

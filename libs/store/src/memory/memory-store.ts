import { ServerFacts } from '../ports/server-facts.js';
import { JoinedStore, type SharedStore } from '../shared-store.js';
import { MemoryCounters } from './memory-counters.js';
import { MemoryEntries } from './memory-entries.js';
import { MemoryFeed } from './memory-feed.js';
import { MemoryJournal } from './memory-journal.js';
import { MemoryKeyValues } from './memory-key-values.js';
import { MemorySets } from './memory-sets.js';

/**
 * A store inside this process, for local work and tests: all its users must run in the same process, and its data ends
 * with the process.
 */
export function openMemoryStore(): SharedStore {
  const entries = new MemoryEntries();
  const sets = new MemorySets(entries);
  const feed = new MemoryFeed();
  const journal = new MemoryJournal(entries);
  const keyValues = new MemoryKeyValues(entries, sets, journal, feed);
  return new JoinedStore({
    keyValues,
    sets,
    journal,
    scan: keyValues,
    counters: new MemoryCounters(entries, sets),
    feed,
    server: new ThisProcess(entries),
    close: async () => {
      entries.close();
      feed.close();
    },
  });
}

class ThisProcess extends ServerFacts {
  override readonly shared = false;
  override readonly problems = [];
  override readonly takesWrites = true;
  override readonly serverId = 'memory';

  constructor(private readonly entries: MemoryEntries) {
    super();
  }

  override get available(): boolean {
    return this.entries.isOpen;
  }

  override nowMs(): number {
    return Date.now();
  }

  override async keepsWrites(): Promise<boolean> {
    return false;
  }

  override async weaknesses(): Promise<readonly string[]> {
    return [];
  }

  override onAvailable(listener: () => void): () => void {
    const soon = setImmediate(listener);
    return () => clearImmediate(soon);
  }
}

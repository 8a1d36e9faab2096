import { Journal, type JournalEntry } from '../ports/journal.js';
import type { Write } from '../ports/key-values.js';
import type { MemoryEntries } from './memory-entries.js';

export class MemoryJournal extends Journal {
  private readonly journals = new Map<string, JournalEntry[]>();
  private appended = 0;

  constructor(private readonly entries: MemoryEntries) {
    super();
  }

  override async lastEntries(
    key: string,
    { max, before }: { max: number; before?: string | undefined },
  ): Promise<readonly JournalEntry[]> {
    this.entries.assertOpen();
    const entries = this.journals.get(key) ?? [];
    const isAtOrAfter = ({ id }: JournalEntry) => Number(id) >= Number(before);
    const end = before === undefined ? entries.length : entries.findIndex(isAtOrAfter);
    return entries.slice(Math.max(0, end - max), Math.max(0, end)).reverse();
  }

  append({ key, value, max }: Extract<Write, { op: 'append' }>): void {
    const entries = this.journals.get(key) ?? [];
    this.journals.set(key, entries);
    this.appended += 1;
    entries.push({ id: String(this.appended), value });
    if (entries.length > 2 * max) entries.splice(0, max);
  }
}

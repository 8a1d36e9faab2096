import type { Wait } from './wait.js';

/** An entry of a journal. */
export interface JournalEntry {
  /** Place in the journal: a later entry has a higher one. */
  readonly id: string;
  readonly value: string;
}

/** The last entries of a log, in the order of their transactions. {@link KeyValues} writes them, in its transactions. */
export abstract class Journal {
  /** At most `max` entries, the last one first; only those before the entry `before`, if it is given. */
  abstract lastEntries(
    key: string,
    options: { readonly max: number; readonly before?: string | undefined },
    wait?: Wait,
  ): Promise<readonly JournalEntry[]>;
}

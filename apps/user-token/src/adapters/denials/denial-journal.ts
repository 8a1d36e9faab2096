import { patient, StoreUnavailable, type Journal } from '@app/store';
import { DENIAL_JOURNAL_KEY } from '@app/contract';
import type { DenialCopy } from './denial-copy.js';
import { announcementSchema, parseJson } from './denial.js';

/** Length of the journal: a replica that has missed more reads all denials. */
export const JOURNAL_LENGTH = 10_000;
const READ_AT_ONCE = 100;
const CALL_MS = 1_000;
const EMPTY = '';

/**
 * The last announcements in the order of their transactions, for a replica that missed some. It proves what it missed: the entry of the
 * last announcement that it heard is still there, so that all later ones are, too.
 *
 * Versions without a journal announce denials without an entry. The journal proves nothing while they may run (ADR 12).
 */
export class DenialJournal {
  /** The last known entry; EMPTY before the first one; undefined while it is unknown. */
  private lastKnown: string | undefined;
  private reliableFromMs: number;

  /** @param formerVersionsMs how long user-tokens of such versions may run after the last sign of them, or after our start */
  constructor(
    private readonly store: Journal,
    private readonly formerVersionsMs: number,
  ) {
    this.reliableFromMs = performance.now() + formerVersionsMs;
  }

  /** The entry up to which this process knows all denials, provided that it has no gap. */
  get position(): string | undefined {
    return this.lastKnown;
  }

  /** @param entryId of an announcement that was heard */
  heard(entryId: string | undefined): void {
    if (entryId === undefined) this.reliableFromMs = performance.now() + this.formerVersionsMs;
    else this.lastKnown = entryId;
  }

  /** To be called before all denials are read. */
  async moveToEnd(): Promise<void> {
    this.lastKnown = undefined;
    const last = await this.read(1);
    if (last) this.lastKnown ??= last.length === 0 ? EMPTY : announcementIn(last[0]!.value)?.entryId;
  }

  /**
   * Adds the denials after a position to a copy.
   *
   * @returns false when the journal does not reach back to it, or proves nothing
   */
  async readInto(copy: DenialCopy, position: string | undefined): Promise<boolean> {
    if (position === undefined || performance.now() < this.reliableFromMs) return false;
    let read = 0;
    let before: string | undefined;
    while (read < 2 * JOURNAL_LENGTH) {
      const entries = await this.read(READ_AT_ONCE, before);
      if (!entries) return false;
      for (const { value } of entries) {
        const announcement = announcementIn(value);
        if (!announcement) return false;
        if (announcement.entryId === position) return true;
        for (const denial of announcement.denials) copy.learn(denial);
      }
      read += entries.length;
      before = entries.at(-1)?.id;
      if (entries.length < READ_AT_ONCE) return position === EMPTY && read < JOURNAL_LENGTH;
    }
    return false;
  }

  /** @returns undefined where Redis refuses: without the right to read it, all denials are read instead */
  private async read(max: number, before?: string) {
    try {
      return await this.store.lastEntries(DENIAL_JOURNAL_KEY, { max, before }, patient(CALL_MS));
    } catch (error) {
      if (error instanceof StoreUnavailable) return undefined;
      throw error;
    }
  }
}

function announcementIn(value: string) {
  return parseJson(value, announcementSchema);
}

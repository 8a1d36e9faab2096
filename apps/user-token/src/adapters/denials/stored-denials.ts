import { formerName, patient, type KeyValues, type Scan, type StoreClock } from '@app/store';
import { DENIAL_PREFIX, former } from '@app/contract';
import type { Log } from '../../core/log.js';
import type { DenialCopy } from './denial-copy.js';
import { denialIn, denialKey, isSubjectDenial, replaces, subjectDenialIn, type Denial } from './denial.js';
import { writesOf } from './denial-writes.js';

const CALL_MS = 1_000;
/** Limited, because Redis does nothing else during a transaction, and this process nothing else while it prepares one. */
const WRITTEN_AT_ONCE = 100;
const LOOKED_UP_AT_ONCE = 500;

/** The denials in the store, as a whole: a million is normal, so that all work is done in slices. */
export class StoredDenials {
  constructor(
    private readonly store: KeyValues & Scan & StoreClock,
    private readonly log: Log,
  ) {}

  /** Adds all denials of the store to a copy. The caller ends the reading, once it knows that the store was whole. */
  async readInto(copy: DenialCopy): Promise<void> {
    const { incomplete } = copy;
    copy.beginReading();
    for (const prefix of [DENIAL_PREFIX, formerName(former.DENIAL_PREFIX)]) {
      for await (const { value } of this.store.scan(prefix)) {
        const denial = denialIn(value);
        if (denial) copy.learn(denial);
      }
    }
    if (copy.incomplete && !incomplete)
      this.log.warn(
        { kept: copy.size },
        'there are more denials than this process keeps: without Redis it answers 503',
      );
  }

  /** Writes the denials that the store lacks. */
  async complete(known: Iterable<Denial>): Promise<void> {
    for (const denials of slices(known, LOOKED_UP_AT_ONCE)) {
      const stored = await this.store.getMany(denials.map(denialKey), patient(CALL_MS));
      const missing = denials.filter((denial, index) => isMissing(denial, stored[index]));
      for (const some of slices(missing, WRITTEN_AT_ONCE)) await this.restore(some);
    }
  }

  /** Compares once more for a subject, whose denial may be new by now. Other denials never change. */
  private async restore(denials: readonly Denial[]): Promise<void> {
    const nowMs = this.store.nowMs();
    const others = denials.filter((denial) => !isSubjectDenial(denial));
    if (others.length > 0)
      await this.store.writeAll(
        others.flatMap((denial) => writesOf([denial], nowMs)),
        patient(CALL_MS),
      );
    for (const denial of denials.filter(isSubjectDenial)) {
      const key = denialKey(denial);
      const [found = null] = await this.store.getMany([key], patient(CALL_MS));
      if (isMissing(denial, found))
        await this.store.writeAllIfEqual(key, found, writesOf([denial], nowMs), patient(CALL_MS));
    }
  }
}

/** An unreadable value comes from a newer version, and denies by its existence. */
function isMissing(denial: Denial, value: string | null | undefined): boolean {
  if (value == null) return true;
  if (!isSubjectDenial(denial)) return false;
  const stored = subjectDenialIn(value);
  return stored !== undefined && replaces(denial, stored);
}

function* slices<T>(items: Iterable<T>, length: number): Generator<T[]> {
  let slice: T[] = [];
  for (const item of items) {
    slice.push(item);
    if (slice.length < length) continue;
    yield slice;
    slice = [];
  }
  if (slice.length > 0) yield slice;
}

import {
  replaces,
  RETENTION_SECONDS,
  retainedUntilMs,
  type Admission,
  type Denial,
  type SubjectDenial,
  type TokenDenial,
} from './denial.js';

export interface DenialCopyOptions {
  /** How many denials are kept. Of more the oldest are left to the store. */
  readonly max: number;
  /** The clock by which they end: Unix time in milliseconds. */
  readonly nowMs: () => number;
}

/** How many denials are looked at with each that is learnt, so that those which have ended go without a walk through all. */
const SWEPT_AT_ONCE = 2;

/**
 * The denials in force, in this process: less than 200 bytes for a token's. The denial of a token is kept as two flat strings, since
 * there may be a million.
 */
export class DenialCopy {
  /** By token id: expiry and subject. */
  private readonly tokens = new Map<string, string>();
  private readonly subjects = new Map<string, SubjectDenial>();
  private readonly admissions = new Map<string, Admission>();
  private readonly sweeps = [this.tokens, this.subjects, this.admissions].map(
    (map) => new Sweep<unknown>(map),
  );
  /** Where each map is at its oldest entry: looking for it from the start would pass by all that were dropped. */
  private readonly oldest = [this.admissions, this.tokens, this.subjects].map(
    (map: Map<string, unknown>) => ({
      map,
      keys: map.keys(),
    }),
  );
  private spilled = false;
  private spilledAnew = false;

  constructor(private readonly options: DenialCopyOptions) {}

  /** Whether some were left to the store when it was read last, or since. */
  get incomplete(): boolean {
    return this.spilled;
  }

  /** Whether those might fit now. */
  get hasRoomAgain(): boolean {
    return this.spilled && this.size < 0.9 * this.options.max;
  }

  /** The store is about to be read from end to end: what does not fit shows again. */
  beginReading(): void {
    this.spilledAnew = false;
  }

  /** It was read, and was whole then. */
  endReading(): void {
    this.spilled = this.spilledAnew;
  }

  get size(): number {
    return this.tokens.size + this.subjects.size + this.admissions.size;
  }

  learn(denial: Denial): void {
    this.sweep(SWEPT_AT_ONCE);
    if (retainedUntilMs(denial) <= this.options.nowMs()) return;
    if ('tokenId' in denial) this.tokens.set(denial.tokenId, packed(denial));
    else if ('admittedTokenId' in denial) this.admissions.set(denial.admittedTokenId, denial);
    else this.learnSubject(denial);
    if (this.size > this.options.max) this.spill();
  }

  deniesToken(tokenId: string): boolean {
    return this.tokens.has(tokenId);
  }

  ofSubject(subjectKey: string): SubjectDenial | undefined {
    return this.subjects.get(subjectKey);
  }

  admission(tokenId: string): Admission | undefined {
    return this.admissions.get(tokenId);
  }

  /** All of them, while others may come and go. */
  *all(): Generator<Denial> {
    yield* this.subjects.values();
    yield* this.admissions.values();
    for (const [tokenId, value] of this.tokens) yield unpacked(tokenId, value);
  }

  private learnSubject(denial: SubjectDenial): void {
    const known = this.subjects.get(denial.subjectKey);
    // A message that is late, or an older copy in the store, must not take back what is known.
    if (!known || replaces(denial, known)) this.subjects.set(denial.subjectKey, denial);
  }

  /** Drops those which have ended, of the next few in turn. */
  sweep(count: number): void {
    const endedMs = this.options.nowMs();
    for (const sweep of this.sweeps) {
      sweep.step(count, (value) => {
        const { expiresAtSeconds } = typeof value === 'string' ? unpacked('', value) : (value as Denial);
        return (expiresAtSeconds + RETENTION_SECONDS) * 1000 <= endedMs;
      });
    }
  }

  /** Whole subjects are dropped last: one of theirs stands for any number of tokens. */
  private spill(): void {
    this.spilled = this.spilledAnew = true;
    for (const place of this.oldest) {
      if (place.map.size === 0) continue;
      let { value: key } = place.keys.next();
      if (key === undefined) {
        place.keys = place.map.keys();
        ({ value: key } = place.keys.next());
      }
      place.map.delete(key as string);
      return;
    }
  }
}

/** A walk through a map that never ends, a few entries at a time. */
class Sweep<T> {
  private entries: IterableIterator<[string, T]> | undefined;

  constructor(private readonly map: Map<string, T>) {}

  step(count: number, ended: (value: T) => boolean): void {
    for (let i = 0; i < count; i += 1) {
      this.entries ??= this.map.entries();
      const next = this.entries.next();
      if (next.done) {
        this.entries = undefined;
        return;
      }
      const [key, entry] = next.value;
      if (ended(entry)) this.map.delete(key);
    }
  }
}

function packed({ subjectKey, expiresAtSeconds }: TokenDenial): string {
  // Flat: a string that is put together would keep its parts beside it.
  return Buffer.from(`${Math.ceil(expiresAtSeconds)} ${subjectKey}`, 'latin1').toString('latin1');
}

function unpacked(tokenId: string, value: string): TokenDenial {
  const space = value.indexOf(' ');
  return { tokenId, subjectKey: value.slice(space + 1), expiresAtSeconds: Number(value.slice(0, space)) };
}

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
  /** Limit of denials in this process. Beyond it the oldest ones stay in the store alone. */
  readonly max: number;
  /** The clock that ends them: Unix time in milliseconds. */
  readonly nowMs: () => number;
}

/** Each new denial checks so many others, so that ended ones go without a walk through all. */
const SWEPT_AT_ONCE = 2;

/** The denials in force, in this process. A token's takes two flat strings, less than 200 bytes: a million of them is normal. */
export class DenialCopy {
  /** By token id: expiry and subject. */
  private readonly tokens = new Map<string, string>();
  private readonly subjects = new Map<string, SubjectDenial>();
  private readonly admissions = new Map<string, Admission>();
  private readonly sweeps = [this.tokens, this.subjects, this.admissions].map(
    (map) => new Sweep<unknown>(map),
  );
  /** An iterator for each map at its oldest entry: a new one would pass all dropped entries first. */
  private readonly oldest = [this.admissions, this.tokens, this.subjects].map(
    (map: Map<string, unknown>) => ({
      map,
      keys: map.keys(),
    }),
  );
  private spilled = false;
  private spilledAnew = false;

  constructor(private readonly options: DenialCopyOptions) {}

  /** Whether some denials did not fit at the last reading of the store, or since. */
  get incomplete(): boolean {
    return this.spilled;
  }

  /** Whether they may fit now. */
  get hasRoomAgain(): boolean {
    return this.spilled && this.size < 0.9 * this.options.max;
  }

  /** To be called before the store is read from end to end, which shows again whether all fit. */
  beginReading(): void {
    this.spilledAnew = false;
  }

  /** To be called after that, for a store that was whole. */
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

  /** All denials; others may come and go meanwhile. */
  *all(): Generator<Denial> {
    yield* this.subjects.values();
    yield* this.admissions.values();
    for (const [tokenId, value] of this.tokens) yield unpacked(tokenId, value);
  }

  private learnSubject(denial: SubjectDenial): void {
    const known = this.subjects.get(denial.subjectKey);
    // A late message, or an older denial in the store, must not replace a later one.
    if (!known || replaces(denial, known)) this.subjects.set(denial.subjectKey, denial);
  }

  /** Checks the next few denials in turn, and drops the ended ones. */
  sweep(count: number): void {
    const endedMs = this.options.nowMs();
    for (const sweep of this.sweeps) {
      sweep.step(count, (value) => {
        const { expiresAtSeconds } = typeof value === 'string' ? unpacked('', value) : (value as Denial);
        return (expiresAtSeconds + RETENTION_SECONDS) * 1000 <= endedMs;
      });
    }
  }

  /** Denials of whole subjects go last: one of them stands for any number of tokens. */
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

/** An endless walk through a map, a few entries at a time. */
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
  // A concatenated string would keep its parts; this one is flat.
  return Buffer.from(`${Math.ceil(expiresAtSeconds)} ${subjectKey}`, 'latin1').toString('latin1');
}

function unpacked(tokenId: string, value: string): TokenDenial {
  const space = value.indexOf(' ');
  return { tokenId, subjectKey: value.slice(space + 1), expiresAtSeconds: Number(value.slice(0, space)) };
}

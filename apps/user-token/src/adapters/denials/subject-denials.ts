import { patient, StoreUnavailable, type KeyValues, type StoreClock } from '@app/store';
import { subjectDenialKey } from '@app/contract';
import type { DenialCopy } from './denial-copy.js';
import { laterOf, subjectDenialIn, type SubjectDenial } from './denial.js';
import { writesOf } from './denial-writes.js';

export interface SubjectDenialsOptions {
  /** Life of a subject's denial: as long as any earlier token or session may last. */
  readonly subjectDenialSeconds: number;
  /** How far the issuer's clock may be ahead of ours: an earlier token may carry a time so much later. */
  readonly clockToleranceSeconds: number;
}

/** Limit of writes of one denial while others write at the same moment. */
const MAX_TRIES = 10;
const READ_BACK_MS = 1_000;
/** A denial that reaches further comes from a time when the store's clock was wrong. */
const MAX_AHEAD_SECONDS = 60;

/** Denials of whole subjects: each is later than the one before, by compare-and-set, and by the store's clock. */
export class SubjectDenials {
  constructor(
    private readonly store: KeyValues & StoreClock,
    private readonly copy: DenialCopy,
    private readonly options: SubjectDenialsOptions,
  ) {}

  /** @throws {StoreUnavailable} */
  async deny(subjectKey: string): Promise<void> {
    const place = subjectDenialKey(subjectKey);
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const stored = await this.readBack(place);
      const before = laterOf(this.copy.ofSubject(subjectKey), subjectDenialIn(stored));
      const denial = this.laterThan(subjectKey, before);
      const isWritten = await this.writeIfEqual(place, stored, denial);
      const since = isWritten ? denial : subjectDenialIn(await this.readBack(place));
      // Another replica's denial, written just now, serves as well.
      if (since && (!before || since.revokedAtMs > before.revokedAtMs)) {
        this.copy.learn(since);
        // A slow write leaves out the tokens that were issued meanwhile.
        if (since.issuedUntilSeconds >= this.untilNowSeconds) return;
      }
    }
    throw new StoreUnavailable(
      'the access of this user could not be revoked: what denies it changes all the time',
    );
  }

  /** Corrects a denial that reaches too far ahead: an hour's error of the store's clock must not lock the user out for an hour. */
  correct(denial: SubjectDenial): void {
    if (!this.isAhead(denial)) return;
    const corrected = { ...denial, issuedUntilSeconds: this.untilNowSeconds };
    this.copy.learn(corrected);
    const place = subjectDenialKey(denial.subjectKey);
    this.readBack(place)
      .then((stored) => {
        const found = subjectDenialIn(stored);
        if (found?.revokedAtMs !== denial.revokedAtMs || !this.isAhead(found)) return undefined;
        return this.writeIfEqual(place, stored, corrected);
      })
      // The next token of this subject brings another try.
      .catch(() => undefined);
  }

  /** The last second whose tokens a denial of this moment covers. */
  private get untilNowSeconds(): number {
    return Math.floor(this.store.nowMs() / 1000) + this.options.clockToleranceSeconds;
  }

  private isAhead({ issuedUntilSeconds }: SubjectDenial): boolean {
    return issuedUntilSeconds > this.untilNowSeconds + MAX_AHEAD_SECONDS;
  }

  /** Covers as much as the one before, too. */
  private laterThan(subjectKey: string, before: SubjectDenial | undefined): SubjectDenial {
    const kept = before && !this.isAhead(before) ? before.issuedUntilSeconds : 0;
    const issuedUntilSeconds = Math.max(kept, this.untilNowSeconds);
    return {
      subjectKey,
      issuedUntilSeconds,
      revokedAtMs: Math.max(Math.floor(this.store.nowMs()), (before?.revokedAtMs ?? 0) + 1),
      expiresAtSeconds: issuedUntilSeconds + this.options.subjectDenialSeconds,
    };
  }

  private writeIfEqual(place: string, stored: string | null, denial: SubjectDenial): Promise<boolean> {
    return this.store.writeAllIfEqual(place, stored, writesOf([denial], this.store.nowMs()));
  }

  private async readBack(place: string): Promise<string | null> {
    const [value = null] = await this.store.getMany([place], patient(READ_BACK_MS));
    return value;
  }
}

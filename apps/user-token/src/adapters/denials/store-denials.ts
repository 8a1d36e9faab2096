import {
  formerName,
  patient,
  StoreUnavailable,
  type Feed,
  type KeyValues,
  type Scan,
  type ServerFacts,
} from '@app/store';
import {
  admissionKey,
  epochKeyOf,
  former,
  GENERATION_KEY,
  subjectDenialKey,
  subjectKey,
  tokenDenialKey,
} from '@app/contract';
import {
  Denials,
  DenialsUnknown,
  type DeniedToken,
  type DenialStatus,
  type TokenFacts,
} from '../../core/denials.js';
import type { Log } from '../../core/log.js';
import {
  denialSchema,
  parseJson,
  replaces,
  retainedUntilMs,
  type Admission,
  type Denial,
  type SubjectDenial,
} from './denial.js';
import { DenialCopy } from './denial-copy.js';
import { writesOf } from './denial-writes.js';
import { StoreSync } from './store-sync.js';

export interface StoreDenialsOptions {
  /** What to do where nobody knows whether a token was revoked: answer 503, or let it pass. */
  readonly whenUnknown: 'refuse' | 'accept';
  /** The same for an opaque token that may have been revoked before Redis lost what it held: nothing tells how old it is. */
  readonly whenAgeUnknown: 'refuse' | 'accept';
  /** How long a subject's denial is kept: as long as any token or session of before could last. */
  readonly subjectDenialSeconds: number;
  /** How far ahead of ours the issuer's clock may be: a token of before a subject's denial may carry a time so much later. */
  readonly clockToleranceSeconds: number;
  /** How many denials are kept in this process. Beyond it the copy is incomplete and counts as unknown. */
  readonly maxLocal: number;
  /** How long a replica that finds an empty Redis leaves it to those that know more. Each of them looks every second. Default 1,500 (ms). */
  readonly siblingsMs?: number | undefined;
}

/** What stands in the store about one token. */
interface Stored {
  /** Undefined where what was read cannot be trusted. */
  readonly generation: string | undefined;
  readonly epoch: string | null | undefined;
  readonly denied: boolean;
  readonly subject: SubjectDenial | undefined;
  readonly admission: Admission | undefined;
}

const SIBLINGS_MS = 1_500;
/** How often a denial is written again that others write at the same moment. */
const MAX_TRIES = 10;
const READ_BACK_MS = 1_000;
/** A denial that reaches further was written while the store's clock was wrong. */
const MAX_AHEAD_SECONDS = 60;

/**
 * Denials in the shared store, with a copy in this process, so that what was revoked stays revoked while Redis is away or has lost it.
 * Every time is the store's, the one clock that all replicas share.
 */
export class StoreDenials extends Denials {
  private readonly copy: DenialCopy;
  private readonly sync: StoreSync;

  constructor(
    private readonly store: KeyValues & Scan & Feed & ServerFacts,
    private readonly options: StoreDenialsOptions,
    log: Log,
  ) {
    super();
    this.copy = new DenialCopy({ max: options.maxLocal, nowMs: () => store.nowMs() });
    this.sync = new StoreSync(store, this.copy, options.siblingsMs ?? SIBLINGS_MS, log);
  }

  /** Resolves once it is known what was revoked, or that it is not known. */
  get settled(): Promise<void> {
    return this.sync.settled;
  }

  override async status(facts: TokenFacts): Promise<DenialStatus> {
    const key = subjectKey(facts.subject);
    if (this.copy.deniesToken(facts.tokenId)) return { denied: true, epoch: null };
    const stored = await this.read(key, facts.tokenId);
    if (stored?.denied) return { denied: true, epoch: null };
    const subject = laterOf(this.copy.ofSubject(key), stored?.subject);
    if (subject) this.takeBackWhatIsAhead(subject);
    const admittedAfterMs = this.admittedAfterMs(facts.tokenId, stored);
    if (subject && covers(subject, facts) && !(admittedAfterMs >= subject.revokedAtMs)) {
      return { denied: true, subjectDenial: subject.revokedAtMs, epoch: null };
    }
    const ofBefore = admittedAfterMs < 0 && Math.floor(facts.issuedAtSeconds) < this.sync.knownSinceSeconds;
    if (this.options.whenUnknown === 'refuse') {
      if (stored?.generation === undefined && !this.sync.complete) throw new DenialsUnknown();
      const isAgeKnown = facts.issuedAtSeconds > 0;
      const passes = facts.grantedNow || (!isAgeKnown && this.options.whenAgeUnknown === 'accept');
      if (ofBefore && !passes) throw new DenialsUnknown();
    }
    return {
      denied: false,
      subjectDenial: subject?.revokedAtMs,
      toBeAdmitted: ofBefore,
      epoch: stored?.generation === undefined ? null : (stored.epoch ?? ''),
      generation: stored?.generation,
    };
  }

  override async deny(subject: string, tokens: readonly DeniedToken[]): Promise<void> {
    if (tokens.length === 0) return;
    await this.write(tokens.map((token): Denial => ({ ...token, subjectKey: subjectKey(subject) })));
  }

  override async admit(tokens: readonly DeniedToken[], subjectDenial: number | undefined): Promise<void> {
    await this.write(
      tokens.map(({ tokenId, expiresAtSeconds }) => ({
        admittedTokenId: tokenId,
        afterMs: subjectDenial ?? 0,
        expiresAtSeconds,
      })),
    );
  }

  override async denySubject(subject: string): Promise<void> {
    const key = subjectKey(subject);
    const place = subjectDenialKey(key);
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const stored = await this.readBack(place);
      const before = laterOf(this.copy.ofSubject(key), subjectDenialIn(stored));
      const denial = this.laterThan(key, before);
      const isWritten = await this.store.writeAllIfEqual(
        place,
        stored,
        writesOf([denial], this.store.nowMs()),
      );
      const since = isWritten ? denial : subjectDenialIn(await this.readBack(place));
      // Another replica may have just written one, and then it is not ours.
      if (since && (!before || since.revokedAtMs > before.revokedAtMs)) {
        this.copy.learn(since);
        // Written late, it leaves out what was issued while it was on its way.
        if (since.issuedUntilSeconds >= this.untilNowSeconds) return;
      }
    }
    throw new StoreUnavailable(
      'the access of this user could not be revoked: what denies it changes all the time',
    );
  }

  /** Nest's shutdown hook. */
  async onApplicationShutdown(): Promise<void> {
    await this.sync.close();
  }

  /** @returns undefined while Redis gives no answer */
  private async read(key: string, tokenId: string): Promise<Stored | undefined> {
    const gap = this.sync.currentGap;
    const { serverId } = this.store;
    const keys = [
      GENERATION_KEY,
      epochKeyOf(key),
      tokenDenialKey(key, tokenId),
      subjectDenialKey(key),
      admissionKey(tokenId),
      formerName(former.tokenDenialKey(tokenId)),
      formerName(former.subjectDenialKey(key)),
      formerName(former.admissionKey(tokenId)),
    ];
    try {
      const [generation, epoch, ...found] = await this.store.getMany(keys);
      this.sync.answered(gap);
      const [token, subject, admission, formerToken, formerSubject, formerAdmission] = found;
      const unreadable = [subject, formerSubject].some((value) => value != null && !subjectDenialIn(value));
      return {
        generation: this.sync.trusts(generation, serverId) ? (generation ?? undefined) : undefined,
        epoch,
        denied: token != null || formerToken != null || unreadable,
        subject: laterOf(subjectDenialIn(subject), subjectDenialIn(formerSubject)),
        admission: lastOf(admissionIn(admission), admissionIn(formerAdmission)),
      };
    } catch (error) {
      if (error instanceof StoreUnavailable) return undefined;
      throw error;
    }
  }

  /** -1 for a token that was not admitted. */
  private admittedAfterMs(tokenId: string, stored: Stored | undefined): number {
    return Math.max(this.copy.admission(tokenId)?.afterMs ?? -1, stored?.admission?.afterMs ?? -1);
  }

  /** The last second whose tokens a denial of this moment covers. */
  private get untilNowSeconds(): number {
    return Math.floor(this.store.nowMs() / 1000) + this.options.clockToleranceSeconds;
  }

  private isAhead({ issuedUntilSeconds }: SubjectDenial): boolean {
    return issuedUntilSeconds > this.untilNowSeconds + MAX_AHEAD_SECONDS;
  }

  /** A store whose clock was an hour ahead for a moment must not keep a user out for that hour. */
  private takeBackWhatIsAhead(denial: SubjectDenial): void {
    if (!this.isAhead(denial)) return;
    const corrected = { ...denial, issuedUntilSeconds: this.untilNowSeconds };
    this.copy.learn(corrected);
    const place = subjectDenialKey(denial.subjectKey);
    this.readBack(place)
      .then((stored) => {
        const found = subjectDenialIn(stored);
        if (found?.revokedAtMs !== denial.revokedAtMs || !this.isAhead(found)) return undefined;
        return this.store.writeAllIfEqual(place, stored, writesOf([corrected], this.store.nowMs()));
      })
      // Tried again with the next token of this subject.
      .catch(() => undefined);
  }

  private async write(denials: readonly Denial[]): Promise<void> {
    const nowMs = this.store.nowMs();
    const inForce = denials.filter((denial) => retainedUntilMs(denial) > nowMs);
    await this.store.writeAll(writesOf(inForce.length > 0 ? inForce : denials, nowMs));
    for (const denial of denials) this.copy.learn(denial);
  }

  private async readBack(key: string): Promise<string | null> {
    const [value = null] = await this.store.getMany([key], patient(READ_BACK_MS));
    return value;
  }

  /** Later than all before by its name, and never less than they were. */
  private laterThan(key: string, before: SubjectDenial | undefined): SubjectDenial {
    const kept = before && !this.isAhead(before) ? before.issuedUntilSeconds : 0;
    const issuedUntilSeconds = Math.max(kept, this.untilNowSeconds);
    return {
      subjectKey: key,
      issuedUntilSeconds,
      revokedAtMs: Math.max(Math.floor(this.store.nowMs()), (before?.revokedAtMs ?? 0) + 1),
      expiresAtSeconds: issuedUntilSeconds + this.options.subjectDenialSeconds,
    };
  }
}

function subjectDenialIn(value: string | null | undefined): SubjectDenial | undefined {
  const denial = parseJson(value, denialSchema);
  return denial && 'revokedAtMs' in denial ? denial : undefined;
}

function admissionIn(value: string | null | undefined): Admission | undefined {
  const denial = parseJson(value, denialSchema);
  return denial && 'admittedTokenId' in denial ? denial : undefined;
}

function lastOf(one: Admission | undefined, other: Admission | undefined): Admission | undefined {
  if (!one || !other) return one ?? other;
  return other.afterMs > one.afterMs ? other : one;
}

function laterOf(one: SubjectDenial | undefined, other: SubjectDenial | undefined) {
  if (!one || !other) return one ?? other;
  return replaces(other, one) ? other : one;
}

function covers({ issuedUntilSeconds }: SubjectDenial, { issuedAtSeconds }: TokenFacts): boolean {
  return Math.floor(issuedAtSeconds) <= issuedUntilSeconds;
}

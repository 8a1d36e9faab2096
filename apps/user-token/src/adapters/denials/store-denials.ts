import {
  formerName,
  StoreUnavailable,
  type Feed,
  type Journal,
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
} from '../../core/tokens/denials.js';
import type { Log } from '../../core/log.js';
import { Announcements } from './announcements.js';
import { CatchUp } from './catch-up.js';
import {
  admittedAfterMs,
  laterOf,
  retainedUntilMs,
  subjectDenialIn,
  type Denial,
  type SubjectDenial,
} from './denial.js';
import { DenialCopy } from './denial-copy.js';
import { DenialJournal } from './denial-journal.js';
import { writesOf } from './denial-writes.js';
import { Generations } from './generations.js';
import { reportWeaknesses } from './report-weaknesses.js';
import { StoreHealer } from './store-healer.js';
import { SubjectDenials, type SubjectDenialsOptions } from './subject-denials.js';

export interface StoreDenialsOptions extends SubjectDenialsOptions {
  /** The answer where no replica knows whether a token was revoked: 503, or yes. */
  readonly whenUnknown: 'refuse' | 'accept';
  /** The answer for an opaque token that may have been revoked before Redis lost its data: nothing tells its age. */
  readonly whenAgeUnknown: 'refuse' | 'accept';
  /** Limit of denials in this process. Beyond it the copy is incomplete and counts as unknown. */
  readonly maxLocal: number;
  /** How long a replica leaves an empty Redis to those that know more, which check it every second. Default 1,500 (ms). */
  readonly siblingsMs?: number | undefined;
  /** How long user-tokens without a journal may run after our start, or after the last sign of them. Default one hour (ms). */
  readonly formerVersionsMs?: number | undefined;
}

/** The data of the store about one token. */
interface Stored {
  /** Undefined for a store that is not to be trusted. */
  readonly generation: string | undefined;
  readonly epoch: string | null | undefined;
  readonly denied: boolean;
  readonly subject: SubjectDenial | undefined;
  /** -1 for a token without an admission. */
  readonly admittedAfterMs: number;
}

const SIBLINGS_MS = 1_500;
/** Far longer than all user-tokens take to be replaced. */
const FORMER_VERSIONS_MS = 3_600_000;

/**
 * Denials in the shared store, with a copy in this process, so that a revoked token stays revoked while Redis is away or has lost its
 * data. Every time is the store's, the one clock that all replicas share.
 */
export class StoreDenials extends Denials {
  private readonly copy: DenialCopy;
  private readonly subjects: SubjectDenials;
  private readonly generations: Generations;
  private readonly announcements: Announcements;
  private readonly catchUp: CatchUp;
  private readonly endReports: () => void;
  /** Resolves once it is known what was revoked, or that it is not known. */
  readonly settled: Promise<void>;

  constructor(
    private readonly store: KeyValues & Journal & Scan & Feed & ServerFacts,
    private readonly options: StoreDenialsOptions,
    log: Log,
  ) {
    super();
    const copy = new DenialCopy({ max: options.maxLocal, nowMs: () => store.nowMs() });
    const generations = new Generations(store);
    const journal = new DenialJournal(store, options.formerVersionsMs ?? FORMER_VERSIONS_MS);
    const announcements = new Announcements(store, generations, journal, copy);
    const siblingsMs = options.siblingsMs ?? SIBLINGS_MS;
    const healer = new StoreHealer(store, copy, generations, announcements, journal, siblingsMs, log);
    this.copy = copy;
    this.subjects = new SubjectDenials(store, copy, options);
    this.generations = generations;
    this.announcements = announcements;
    this.catchUp = new CatchUp(store, copy, generations, announcements, healer, log);
    this.endReports = reportWeaknesses(store, log);
    this.settled = healer.settled;
  }

  override async status(facts: TokenFacts): Promise<DenialStatus> {
    const key = subjectKey(facts.subject);
    if (this.copy.deniesToken(facts.tokenId)) return { denied: true, epoch: null };
    const stored = await this.read(key, facts.tokenId);
    if (stored?.denied) return { denied: true, epoch: null };
    const subject = laterOf(this.copy.ofSubject(key), stored?.subject);
    if (subject) this.subjects.correct(subject);
    const afterMs = Math.max(
      this.copy.admission(facts.tokenId)?.afterMs ?? -1,
      stored?.admittedAfterMs ?? -1,
    );
    if (subject && covers(subject, facts) && !(afterMs >= subject.revokedAtMs)) {
      return { denied: true, subjectDenial: subject.revokedAtMs, epoch: null };
    }
    const { knownSinceSeconds = 0 } = this.generations.knowledge ?? {};
    const isUncovered = afterMs < 0 && Math.floor(facts.issuedAtSeconds) < knownSinceSeconds;
    if (this.options.whenUnknown === 'refuse') {
      if (stored?.generation === undefined && !this.isCopyComplete) throw new DenialsUnknown();
      if (isUncovered && !this.passesUncovered(facts)) throw new DenialsUnknown();
    }
    return {
      denied: false,
      subjectDenial: subject?.revokedAtMs,
      toBeAdmitted: isUncovered,
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
    await this.subjects.deny(subjectKey(subject));
  }

  async close(): Promise<void> {
    this.endReports();
    this.catchUp.close();
    await this.announcements.close();
  }

  private get isCopyComplete(): boolean {
    return !this.copy.incomplete && this.announcements.complete;
  }

  private passesUncovered({ grantedNow, issuedAtSeconds }: TokenFacts): boolean {
    const isAgeKnown = issuedAtSeconds > 0;
    return grantedNow === true || (!isAgeKnown && this.options.whenAgeUnknown === 'accept');
  }

  /** @returns undefined while Redis gives no answer */
  private async read(key: string, tokenId: string): Promise<Stored | undefined> {
    const gap = this.announcements.currentGap;
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
      this.announcements.answered(gap);
      const [token, subject, admission, formerToken, formerSubject, formerAdmission] = found;
      const unreadable = [subject, formerSubject].some((value) => value != null && !subjectDenialIn(value));
      return {
        generation: this.catchUp.trusts(generation, serverId) ? (generation ?? undefined) : undefined,
        epoch,
        denied: token != null || formerToken != null || unreadable,
        subject: laterOf(subjectDenialIn(subject), subjectDenialIn(formerSubject)),
        admittedAfterMs: Math.max(admittedAfterMs(admission), admittedAfterMs(formerAdmission)),
      };
    } catch (error) {
      if (error instanceof StoreUnavailable) return undefined;
      throw error;
    }
  }

  private async write(denials: readonly Denial[]): Promise<void> {
    const nowMs = this.store.nowMs();
    const inForce = denials.filter((denial) => retainedUntilMs(denial) > nowMs);
    await this.store.writeAll(writesOf(inForce.length > 0 ? inForce : denials, nowMs));
    for (const denial of denials) this.copy.learn(denial);
  }
}

function covers({ issuedUntilSeconds }: SubjectDenial, { issuedAtSeconds }: TokenFacts): boolean {
  return Math.floor(issuedAtSeconds) <= issuedUntilSeconds;
}

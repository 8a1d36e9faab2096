import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  formerName,
  patient,
  type Feed,
  type KeyValues,
  type Scan,
  type ServerFacts,
  type Subscription,
  type Write,
} from '@app/store';
import {
  DENIAL_PREFIX,
  EPOCH_CHANNEL,
  formatGeneration,
  former,
  GENERATION_KEY,
  isGenerationOf,
  parseGeneration,
  type StoreGeneration,
} from '@app/contract';
import { LRUCache } from 'lru-cache';
import type { Log } from '../../core/log.js';
import { announcementSchema, denialKey, denialSchema, parseJson, replaces, type Denial } from './denial.js';
import type { DenialCopy } from './denial-copy.js';
import { writesOf } from './denial-writes.js';

/** A time during which announcements of other replicas are not heard. */
interface Gap {
  /** The server that the copy was made from. */
  readonly of: string | undefined;
  /** When Redis first answered in it (performance.now()); until then it is away for everybody, and nothing is announced. */
  answeredAtMs?: number;
  /** Servers that answered in it. */
  readonly answeredBy: Set<string | undefined>;
}

/** What a generation says besides where it stands. */
type Knowledge = Pick<StoreGeneration, 'knownSinceSeconds' | 'firstSightsSinceSeconds'>;

/**
 * How long a gap in which Redis answers may last before the copy counts as incomplete, so that a connection that is lost and
 * made anew costs nobody a verdict.
 */
const CATCH_UP_MS = 1_000;
/** A Redis that is full for hours is not read from end to end every second. */
const MAX_BACKOFF_MS = 5_000;
/** How often it is looked whether the store is still the one that it was; each lookup looks as well. */
const LOOK_MS = 1_000;
const SWEPT_AT_ONCE = 1_000;
const SIBLINGS_PAUSE_MS = 50;
const CALL_MS = 1_000;
/** Redis does nothing else while it takes one transaction, and this process nothing else while it writes it. */
const WRITTEN_AT_ONCE = 100;
const LOOKED_UP_AT_ONCE = 500;
const MAX_LEFT = 1_000;
const MARK = 'merging:';
const GENERATION_TTL_MS = 10 * 365 * 24 * 3600 * 1000;
const FORMER_GENERATION_KEY = formerName(former.GENERATION_KEY);
/** Left in its place once what stands under former names has been taken over; guards of those versions ask user-token from then on. */
const FORMER_IS_TAKEN_OVER: Write = {
  op: 'set',
  key: FORMER_GENERATION_KEY,
  value: 'taken over',
  ttlMs: GENERATION_TTL_MS,
};

/**
 * Keeps the copy of the denials and the store equal, and says how far each can be relied on.
 *
 * The store counts only in the generation that this process has brought it to: whatever stood in an older Redis, or in none, is
 * neither believed nor denied until all that is known here has been written back and a new generation has been set. Who has just
 * started, or has not heard the others for a while, leaves that to those who know more; if there are none, what was issued before
 * is of unknown standing, unless the store is one that keeps all that is written.
 */
export class StoreSync {
  private generation: string | undefined;
  private readonly left = new LRUCache<string, true>({ max: MAX_LEFT });
  private knowledge: Knowledge | undefined;
  private gap: Gap | undefined = {
    of: undefined,
    answeredAtMs: Number.NEGATIVE_INFINITY,
    answeredBy: new Set(),
  };
  private losses = 0;
  private closed = false;
  private catchingUp = false;
  private failures = 0;
  private hasMerged = false;
  private lostAtMs: number | undefined;
  private retry: NodeJS.Timeout | undefined;
  private readonly looking: NodeJS.Timeout;
  private readonly subscription: Subscription;
  private readonly unsubscribeAvailable: () => void;
  private markSettled: () => void = () => undefined;
  /** Resolves once the store has been brought to a generation for the first time. */
  readonly settled = new Promise<void>((resolve) => (this.markSettled = resolve));

  constructor(
    private readonly store: KeyValues & Scan & Feed & ServerFacts,
    private readonly copy: DenialCopy,
    private readonly siblingsMs: number,
    private readonly log: Log,
  ) {
    this.subscription = store.subscribe(EPOCH_CHANNEL, (message) => {
      for (const denial of parseJson(message, announcementSchema)?.denials ?? []) copy.learn(denial);
    });
    this.subscription.onLost(() => this.beginGap());
    this.subscription.onChange(() => {
      if (this.gap) void this.catchUp();
    });
    this.unsubscribeAvailable = store.onAvailable(() => {
      this.answered(this.gap);
      void this.catchUp();
      this.reportWeaknesses().catch(() => undefined);
    });
    this.looking = setInterval(() => this.look(), LOOK_MS).unref();
  }

  /** Whether the copy has every denial there is, but for those of the last moments before Redis went away. */
  get complete(): boolean {
    const { answeredAtMs = Number.POSITIVE_INFINITY } = this.gap ?? {};
    return !this.copy.incomplete && performance.now() < answeredAtMs + CATCH_UP_MS;
  }

  /**
   * @param generation value of {@link GENERATION_KEY}, read together with what is to be believed
   * @param serverId of the store when it was asked
   */
  trusts(generation: string | null | undefined, serverId: string | undefined): boolean {
    const trusted = generation === this.generation && isGenerationOf(generation, serverId);
    if (!trusted && this.store.serverId !== undefined && !this.retry) void this.catchUp();
    return trusted;
  }

  /** Tokens of before are of unknown standing. */
  get knownSinceSeconds(): number {
    return this.knowledge?.knownSinceSeconds ?? 0;
  }

  /** For the answer to a call that was made during this gap. */
  get currentGap(): Gap | undefined {
    return this.gap;
  }

  answered(gap: Gap | undefined): void {
    // Nobody revokes anything by way of a former master, and all that it was told before it became a replica was heard.
    if (!gap || !this.store.takesWrites) return;
    gap.answeredAtMs ??= performance.now();
    gap.answeredBy.add(this.store.serverId);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.looking);
    clearTimeout(this.retry);
    this.unsubscribeAvailable();
    await this.subscription.close();
  }

  private look(): void {
    this.copy.sweep(SWEPT_AT_ONCE);
    if (!this.store.available) return;
    // One that began while Redis was slow is not ended by anything else.
    if ((this.gap || this.copy.hasRoomAgain) && !this.retry) void this.catchUp();
    const { serverId } = this.store;
    this.store.getMany([GENERATION_KEY]).then(
      ([generation]) => this.trusts(generation, serverId),
      () => undefined,
    );
  }

  private beginGap(): void {
    this.losses += 1;
    this.lostAtMs = undefined;
    if (this.gap) return;
    const gap: Gap = (this.gap = { of: parseGeneration(this.generation)?.serverId, answeredBy: new Set() });
    // Had Redis gone away as a whole, that would be known by then.
    setTimeout(() => {
      if (this.store.available) this.answered(gap);
    }, CATCH_UP_MS).unref();
  }

  private get possible(): boolean {
    return !this.closed && this.subscription.live && this.store.available;
  }

  private async catchUp(): Promise<void> {
    if (this.catchingUp || !this.possible) return;
    this.catchingUp = true;
    clearTimeout(this.retry);
    this.retry = undefined;
    try {
      while (this.possible && !(await this.merge())) await delay(SIBLINGS_PAUSE_MS);
      this.failures = 0;
    } catch (error) {
      if (this.failures === 0)
        this.log.warn({ err: error }, 'the denials in Redis could not be read or completed');
      this.failures += 1;
      const backoffMs = Math.min(MAX_BACKOFF_MS, CATCH_UP_MS * 2 ** (this.failures - 1));
      this.retry = setTimeout(() => {
        this.retry = undefined;
        void this.catchUp();
      }, backoffMs).unref();
    } finally {
      this.catchingUp = false;
    }
  }

  /** Brings store and copy to the union of both. @returns false when it is to be tried again in a moment */
  private async merge(): Promise<boolean> {
    const { losses } = this;
    const { serverId } = this.store;
    const keys = [GENERATION_KEY, FORMER_GENERATION_KEY];
    const [found = null, formerly = null] = await this.store.getMany(keys, patient(CALL_MS));
    // One that was left before belongs to a store that knows nothing of what was revoked since.
    const valid = isGenerationOf(found, serverId) && !this.left.has(found);
    if (valid && found === this.generation) return this.hearAgain(found, losses);
    const left = parseGeneration(withoutMark(formerly));
    const takesOver = left !== undefined && !this.hasMerged && (found === null || found.startsWith(MARK));
    const told = takesOver ? left : parseGeneration(withoutMark(found));
    let knowledge: Knowledge | undefined;
    if (valid || (takesOver && isGenerationOf(formerly, serverId))) knowledge = told;
    else if (this.knewAll) knowledge = this.knowledge && this.lost(this.knowledge);
    else if (serverId !== undefined && this.store.shared) {
      this.lostAtMs ??= this.store.nowMs();
      if (this.store.nowMs() - this.lostAtMs < this.siblingsMs) return false;
      const kept = told !== undefined && (await this.store.keepsWrites());
      knowledge = kept ? told : undefined;
    } else knowledge = { knownSinceSeconds: 0, firstSightsSinceSeconds: 0 };
    const better = this.betterThan(knowledge);
    const { knewAll } = this;
    // A replica that has just started knows little that it does not read here.
    const heard = this.hasMerged || takesOver ? undefined : [...this.copy.all()];
    await this.read();
    // Flushed meanwhile, it was read in vain.
    if (valid && !(await this.stillStands(found))) return false;
    // What is told from now on is heard: without the store, the copy will do.
    if (knowledge && (valid || knewAll)) {
      this.knowledge = better ?? knowledge;
      this.endGap(losses);
    }
    const expected = valid ? found : await this.mark(found);
    if (expected === undefined) return false;
    await this.writeBack(heard ?? this.copy.all());
    if (serverId !== this.store.serverId) return false;
    knowledge = better ?? knowledge ?? this.founded(this.lostAtMs ?? this.store.nowMs());
    if ((!valid || better) && serverId !== undefined) {
      const generation = formatGeneration({
        ...knowledge,
        serverId,
        id: randomBytes(9).toString('base64url'),
      });
      if (!(await this.set(expected, generation))) return false;
      this.enter(generation);
    } else this.enter(serverId === undefined ? undefined : (found ?? undefined));
    this.knowledge = knowledge;
    this.lostAtMs = undefined;
    // Of a server that does not say who it is nothing can be vouched for.
    this.hasMerged = serverId !== undefined;
    this.markSettled();
    return this.endGap(losses);
  }

  private enter(generation: string | undefined): void {
    if (this.generation !== undefined && this.generation !== generation) this.left.set(this.generation, true);
    this.generation = generation;
  }

  /** The store is the one that it was; what was not heard meanwhile stands in it. */
  private async hearAgain(generation: string, losses: number): Promise<boolean> {
    if (!this.gap && !this.copy.incomplete) return true;
    await this.read();
    return (await this.stillStands(generation)) && this.endGap(losses);
  }

  /** @param losses of before the store was read: what was announced in one since may be missing */
  private endGap(losses: number): boolean {
    if (losses !== this.losses) return false;
    this.gap = undefined;
    this.copy.endReading();
    return true;
  }

  /**
   * Whether the copy had all that was denied in the Redis that is gone. It does not if that one, or one that came between, went on
   * answering others when this process could not hear of it.
   */
  private get knewAll(): boolean {
    if (!this.hasMerged || this.copy.incomplete) return false;
    const { answeredBy = new Set(), of = undefined } = this.gap ?? {};
    return [...answeredBy].every((server) => server === this.store.serverId && server !== of);
  }

  /** What a replica knows that had merged before, and what another one has told that knew less. */
  private betterThan(told: Knowledge | undefined): Knowledge | undefined {
    if (!this.knewAll || !told || !this.knowledge) return undefined;
    if (this.knowledge.knownSinceSeconds >= told.knownSinceSeconds) return undefined;
    return { ...told, knownSinceSeconds: this.knowledge.knownSinceSeconds };
  }

  private lost(knowledge: Knowledge): Knowledge {
    if (this.failures === 0)
      this.log.warn(
        {},
        'Redis is not the one that it was: what was revoked is written back before it is trusted',
      );
    return { ...knowledge, firstSightsSinceSeconds: Math.ceil(this.store.nowMs() / 1000) };
  }

  /** @param lostAtMs since when this process has heard of all that is revoked; with nothing lost, it has heard of all there was */
  private founded(lostAtMs: number): Knowledge {
    this.log.warn(
      {},
      'Redis is empty or may be older than it was, and no user-token is left that knows what was revoked: tokens of before follow DENIALS_UNKNOWN',
    );
    // What was revoked within that second, before it, is not known either.
    const sinceSeconds = Math.floor(lostAtMs / 1000) + 1;
    return { knownSinceSeconds: sinceSeconds, firstSightsSinceSeconds: sinceSeconds };
  }

  /**
   * Leaves something where the generation will stand, that is gone if the store is flushed once more while it is written to. One that
   * another replica has left does as well.
   *
   * @returns what stands there now; undefined when somebody else was quicker
   */
  private async mark(found: string | null): Promise<string | null | undefined> {
    if (this.store.serverId === undefined || found?.startsWith(MARK)) return found;
    const marked = `${MARK}${randomBytes(9).toString('base64url')} ${found ?? ''}`;
    return (await this.set(found, marked)) ? marked : undefined;
  }

  private async stillStands(generation: string): Promise<boolean> {
    const [found] = await this.store.getMany([GENERATION_KEY], patient(CALL_MS));
    return found === generation;
  }

  private set(found: string | null, generation: string): Promise<boolean> {
    return this.store.writeAllIfEqual(
      GENERATION_KEY,
      found,
      [
        { op: 'set', key: GENERATION_KEY, value: generation, ttlMs: GENERATION_TTL_MS },
        ...(generation.startsWith(MARK) ? [] : [FORMER_IS_TAKEN_OVER]),
      ],
      patient(CALL_MS),
    );
  }

  private async read(): Promise<void> {
    const { incomplete } = this.copy;
    this.copy.beginReading();
    for (const prefix of [DENIAL_PREFIX, formerName(former.DENIAL_PREFIX)]) {
      for await (const { value } of this.store.scan(prefix)) {
        const denial = parseJson(value, denialSchema);
        if (denial) this.copy.learn(denial);
      }
    }
    if (this.copy.incomplete && !incomplete)
      this.log.warn(
        { kept: this.copy.size },
        'there are more denials than this process keeps: without Redis it answers 503',
      );
  }

  private async writeBack(known: Iterable<Denial>): Promise<void> {
    for (const denials of slices(known, LOOKED_UP_AT_ONCE)) {
      const stored = await this.store.getMany(denials.map(denialKey), patient(CALL_MS));
      const missing = denials.filter((denial, index) => isMissing(denial, stored[index]));
      for (const some of slices(missing, WRITTEN_AT_ONCE)) await this.restore(some);
    }
  }

  /** A subject's denial may have been written anew since it was looked up; the others never change. */
  private async restore(denials: readonly Denial[]): Promise<void> {
    const nowMs = this.store.nowMs();
    const ofSubjects = denials.filter((denial) => 'revokedAtMs' in denial);
    const others = denials.filter((denial) => !('revokedAtMs' in denial));
    if (others.length > 0)
      await this.store.writeAll(
        others.flatMap((denial) => writesOf([denial], nowMs)),
        patient(CALL_MS),
      );
    for (const denial of ofSubjects) {
      const key = denialKey(denial);
      const [found = null] = await this.store.getMany([key], patient(CALL_MS));
      if (isMissing(denial, found))
        await this.store.writeAllIfEqual(key, found, writesOf([denial], nowMs), patient(CALL_MS));
    }
  }

  private async reportWeaknesses(): Promise<void> {
    for (const weakness of await this.store.weaknesses())
      this.log.warn({}, `Redis can lose what was revoked: ${weakness}`);
  }
}

function withoutMark(value: string | null): string | null {
  return value?.startsWith(MARK) ? value.slice(value.indexOf(' ') + 1) : value;
}

/** What cannot be read was written by something newer, and denies by itself. */
function isMissing(denial: Denial, value: string | null | undefined): boolean {
  if (value == null) return true;
  if (!('revokedAtMs' in denial)) return false;
  const stored = parseJson(value, denialSchema);
  return stored !== undefined && 'revokedAtMs' in stored && replaces(denial, stored);
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

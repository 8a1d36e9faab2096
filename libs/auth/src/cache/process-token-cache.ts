import { LRUCache } from 'lru-cache';
import { subjectKey, type CanonicalToken, type EpochMessage, type Principal } from '@app/contract';
import { credentialsOf } from './cache-keys.js';
import { trustedUntilSeconds, type CachedPrincipal } from './cached-principal.js';

/** The subject of entries; one object for all entries of a subject, so that a revocation reaches them without a search. */
interface Subject {
  readonly key: string;
  revoked: boolean;
}

interface Entry {
  /** `Bearer <token>`, compared in full at every hit. */
  readonly credentials: string;
  readonly principal: Principal;
  readonly subject: Subject;
  /** From this time on it is not trusted, whichever half holds it. */
  readonly endSeconds: number;
  readonly bytes: number;
}

/** Entries used between two rotations. */
interface Half {
  readonly entries: Map<string, Entry>;
  /** The subjects of the entries, and maybe of some that are gone. */
  readonly subjects: Map<string, Subject>;
  bytes: number;
}

export interface ProcessTokenCacheOptions {
  /** Upper bound of the memory that entries take, estimated, in bytes. */
  readonly maxBytes: number;
  /** Longest life of an entry, from its verdict on; an unused entry is dropped earlier. */
  readonly ttlSeconds: number;
}

/** Longer than any verdict can take: client deadline, queueing and a paused process included. */
const REMEMBER_EPOCH_MS = 60_000;
/** Measured (npm run bench): the entry, with what two maps need for it. */
const ENTRY_OVERHEAD_BYTES = 500;
const STRING_OVERHEAD_BYTES = 24;
/**
 * Number of characters at the end of the credentials that find an entry: 192 bits of a signature or of randomness. A Map
 * hashes its key on every request, and a whole token would cost more than its SHA-256 (ADR 7).
 */
const TAIL_CHARS = 32;

/**
 * First tier: principals in this process, found without waiting and without a hash of the token (ADR 7).
 *
 * It holds entries only while the revocation feed is live, that is, while no revocation can be missed. Losing the feed
 * empties it. A used entry moves into the recent one of two halves; a rotation drops the former half as a whole when half
 * of the memory or half of the time to live is used up. So no token stays in memory for longer than its time to live after
 * its last use.
 */
export class ProcessTokenCache {
  private recent = newHalf();
  private former = newHalf();
  private readonly recentEpochs = new LRUCache<string, string>({ max: 10_000, ttl: REMEMBER_EPOCH_MS });
  private feedChanges = 0;
  private rotation: NodeJS.Timeout | undefined;

  constructor(
    private readonly options: ProcessTokenCacheOptions,
    private readonly feed: { readonly live: boolean },
  ) {}

  /**
   * The principal of a known token, without waiting.
   *
   * @param credentials of a request; found in their plain spelling ({@link credentialsOf}) only
   */
  get(credentials: string, nowSeconds: number): Principal | undefined {
    if (!this.feed.live) return undefined;
    const tail = tailOf(credentials);
    const entry = this.recent.entries.get(tail) ?? this.bringForward(tail);
    if (entry === undefined || entry.credentials !== credentials) return undefined;
    if (nowSeconds < entry.endSeconds && !entry.subject.revoked) return entry.principal;
    this.recent.entries.delete(tail);
    return undefined;
  }

  /** Take it before the question to user-token, and pass it to {@link add} with the verdict. */
  checkpoint(): number {
    return this.feedChanges;
  }

  /**
   * Keeps a principal, unless the feed was lost since `checkpoint` or the subject's epoch has changed since the verdict:
   * a verdict that was under way during a revocation must not outlive it here.
   */
  add(token: CanonicalToken, entry: CachedPrincipal, checkpoint: number, nowSeconds: number): void {
    if (!this.feed.live || checkpoint !== this.feedChanges) return;
    const { principal } = entry;
    const key = subjectKey(principal.subject);
    if (this.isOvertakenBy(key, entry.epoch)) return;
    const { ttlSeconds } = this.options;
    // A verdict from a process whose clock is ahead must not count for longer here.
    const endSeconds = Math.min(trustedUntilSeconds(entry, ttlSeconds), nowSeconds + ttlSeconds);
    if (endSeconds <= nowSeconds) return;
    const bytes = ENTRY_OVERHEAD_BYTES + token.length + bytesOf(principal);
    if (bytes > this.options.maxBytes / 2) return;
    const credentials = ownCopy(credentialsOf(token));
    this.keep({ credentials, principal, subject: this.subjectOf(key), endSeconds, bytes });
    this.rotation ??= setInterval(() => this.rotate(), 500 * ttlSeconds).unref();
  }

  /** Whether a revocation has overtaken a verdict of this epoch. */
  isOvertaken(principal: Principal, epoch: string): boolean {
    return this.recentEpochs.size > 0 && this.isOvertakenBy(subjectKey(principal.subject), epoch);
  }

  /** Whether this process hears of revocations now. */
  get live(): boolean {
    return this.feed.live;
  }

  /** Forgets a subject whose epoch has changed. */
  onEpoch({ subjectKey: key, epoch }: EpochMessage): void {
    this.recentEpochs.set(key, epoch);
    for (const { subjects } of [this.recent, this.former]) {
      const subject = subjects.get(key);
      if (subject) subject.revoked = true;
      subjects.delete(key);
    }
  }

  /** The feed was lost, or is back after a loss: all older knowledge is void. */
  onFeedChange(): void {
    this.feedChanges += 1;
    this.recent = newHalf();
    this.former = newHalf();
    clearInterval(this.rotation);
    this.rotation = undefined;
  }

  private isOvertakenBy(key: string, epoch: string): boolean {
    const announced = this.recentEpochs.get(key);
    return announced !== undefined && announced !== epoch;
  }

  private subjectOf(key: string): Subject {
    return this.recent.subjects.get(key) ?? this.former.subjects.get(key) ?? { key, revoked: false };
  }

  private bringForward(tail: string): Entry | undefined {
    const entry = this.former.entries.get(tail);
    if (entry === undefined) return undefined;
    this.former.entries.delete(tail);
    if (entry.subject.revoked) return undefined;
    this.keep(entry);
    return entry;
  }

  private keep(entry: Entry): void {
    if (this.recent.bytes + entry.bytes > this.options.maxBytes / 2) this.rotate();
    this.recent.entries.set(tailOf(entry.credentials), entry);
    this.recent.subjects.set(entry.subject.key, entry.subject);
    this.recent.bytes += entry.bytes;
  }

  private rotate(): void {
    this.former = this.recent;
    this.recent = newHalf();
  }
}

function newHalf(): Half {
  return { entries: new Map(), subjects: new Map(), bytes: 0 };
}

/** Computed as if nothing were shared. */
function bytesOf({ subject, scopes, permissions, audience, claims }: Principal): number {
  let bytes = subject.length + 2 * JSON.stringify(claims).length;
  for (const list of [scopes, permissions, audience]) {
    for (const item of list) bytes += STRING_OVERHEAD_BYTES + item.length;
  }
  return bytes;
}

function tailOf(credentials: string): string {
  return credentials.slice(-TAIL_CHARS);
}

/** A flat string: it compares fast, and does not keep its request in memory. */
function ownCopy(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

import { LRUCache } from 'lru-cache';
import { subjectKey, type EpochMessage, type Principal } from '@app/user-token-client';

interface Entry {
  readonly principal: Principal;
  readonly subjectKey: string;
  readonly trustedUntilSeconds: number;
}

export interface ProcessTokenCacheOptions {
  /** Upper bound of the memory that entries take, estimated, in bytes. Default 50 MB. */
  readonly maxBytes: number;
  /** Longest life of an entry. */
  readonly ttlSeconds: number;
}

/** Longer than any verdict can be under way: client deadline, queueing and a paused process included. */
const REMEMBER_EPOCH_MS = 60_000;
/** Measured (npm run bench): the entry, its key, and its place in two indexes. */
const ENTRY_OVERHEAD_BYTES = 900;

/**
 * First tier: principals in this process, found without waiting.
 *
 * It holds entries only while the revocation feed is live, that is, while no revocation can have gone unheard.
 * Losing the feed empties it.
 */
export class ProcessTokenCache {
  private readonly entries: LRUCache<string, Entry>;
  private readonly keysOfSubject = new Map<string, Set<string>>();
  private readonly recentEpochs = new LRUCache<string, string>({ max: 10_000, ttl: REMEMBER_EPOCH_MS });
  private generation = 0;

  constructor(
    private readonly options: ProcessTokenCacheOptions,
    private readonly feed: { readonly live: boolean },
  ) {
    this.entries = new LRUCache<string, Entry>({
      maxSize: options.maxBytes,
      dispose: ({ subjectKey: subject }, key) => this.unindex(subject, key),
    });
  }

  get(key: string, nowSeconds: number): Principal | undefined {
    if (!this.feed.live) return undefined;
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    if (nowSeconds < entry.trustedUntilSeconds) return entry.principal;
    this.entries.delete(key);
    return undefined;
  }

  /** To be taken before a verdict is asked for, and given to {@link add} with it. */
  checkpoint(): number {
    return this.generation;
  }

  /**
   * Keeps a principal, unless the feed was lost since `checkpoint` or the subject's epoch has moved on from the one
   * the verdict was reached under: a verdict that was under way during a revocation must not outlive it here.
   */
  add(key: string, principal: Principal, epoch: string, checkpoint: number, nowSeconds: number): void {
    if (!this.feed.live || checkpoint !== this.generation) return;
    if (this.isOvertaken(principal, epoch)) return;
    const trustedUntilSeconds = Math.min(principal.expiresAtSeconds, nowSeconds + this.options.ttlSeconds);
    if (trustedUntilSeconds <= nowSeconds) return;
    const subject = subjectKey(principal.subject);
    const size = ENTRY_OVERHEAD_BYTES + 2 * JSON.stringify(principal).length;
    this.entries.set(key, { principal, subjectKey: subject, trustedUntilSeconds }, { size });
    if (!this.entries.has(key)) return;
    const keys = this.keysOfSubject.get(subject);
    if (keys) keys.add(key);
    else this.keysOfSubject.set(subject, new Set([key]));
  }

  /** Whether a verdict of this epoch was overtaken by a revocation. */
  isOvertaken(principal: Principal, epoch: string): boolean {
    const announced = this.recentEpochs.get(subjectKey(principal.subject));
    return announced !== undefined && announced !== epoch;
  }

  /** Whether revocations are being heard of. */
  get live(): boolean {
    return this.feed.live;
  }

  /** Forgets a subject whose epoch has changed. */
  onEpoch({ subjectKey: subject, epoch }: EpochMessage): void {
    this.recentEpochs.set(subject, epoch);
    for (const key of [...(this.keysOfSubject.get(subject) ?? [])]) this.entries.delete(key);
  }

  /** The feed was lost, or is back after a loss: nothing that was learnt before counts. */
  onFeedChange(): void {
    this.generation += 1;
    this.entries.clear();
  }

  private unindex(subject: string, key: string): void {
    const keys = this.keysOfSubject.get(subject);
    keys?.delete(key);
    if (keys?.size === 0) this.keysOfSubject.delete(subject);
  }
}

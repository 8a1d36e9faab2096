import { LRUCache } from 'lru-cache';
import { StoreUnavailable } from '@app/redis';
import type { Principal, Verdict } from '@app/user-token-client';
import type { ProcessTokenCache } from './process-token-cache.js';
import type { SharedTokenCache } from './shared-token-cache.js';
import type { TokenVerifier } from './token-verifier.js';

export interface RefusalCacheOptions {
  /** How long a refusal is remembered in this process, in milliseconds. */
  readonly ttlMs: number;
  /** How many refusals are remembered; a flood of garbage evicts garbage only. */
  readonly max: number;
}

/** The two tiers; absent where verdicts must not be kept because revocations could not be heard of. */
export interface TokenCaches {
  readonly process: ProcessTokenCache;
  readonly shared: SharedTokenCache;
}

/**
 * Finds out whom a token speaks for: process, then Redis, then user-token. Requests that wait for the same token wait
 * for one answer.
 */
export class PrincipalResolver {
  private readonly refusals: LRUCache<string, Verdict>;
  private readonly underWay = new Map<string, Promise<Verdict>>();

  constructor(
    private readonly verifier: TokenVerifier,
    private readonly caches: TokenCaches | undefined,
    refusals: RefusalCacheOptions,
  ) {
    this.refusals = new LRUCache({ max: refusals.max, ttl: refusals.ttlMs });
  }

  /** What this process knows already, without waiting. */
  known(key: string, nowSeconds: number): Principal | undefined {
    return this.caches?.process.get(key, nowSeconds);
  }

  /** Whether this token was refused within the last seconds. */
  refusedLately(key: string): boolean {
    return this.refusals.has(key);
  }

  /** @throws {UserTokenUnavailable} when no verdict was reached */
  async resolve(key: string, token: string, requestId: string | undefined): Promise<Verdict> {
    // Who cannot hear of revocations must not wait for an answer to a question asked before his own.
    if (!this.caches?.process.live) return this.lookUp(key, token, requestId);
    const verdict = await (this.underWay.get(key) ?? this.start(key, token, requestId));
    return this.isOvertaken(verdict) ? this.lookUp(key, token, requestId) : verdict;
  }

  private start(key: string, token: string, requestId: string | undefined): Promise<Verdict> {
    const verdict = this.lookUp(key, token, requestId).finally(() => this.underWay.delete(key));
    this.underWay.set(key, verdict);
    return verdict;
  }

  private isOvertaken(verdict: Verdict): boolean {
    if (!verdict.active || verdict.epoch === null) return false;
    return this.caches?.process.isOvertaken(verdict.principal, verdict.epoch) ?? false;
  }

  private async lookUp(key: string, token: string, requestId: string | undefined): Promise<Verdict> {
    const checkpoint = this.caches?.process.checkpoint() ?? 0;
    const cached = await this.readShared(key, token);
    if (cached) {
      this.caches?.process.add(key, cached.principal, cached.epoch, checkpoint, nowInSeconds());
      return { active: true, ...cached };
    }
    const verdict = await this.verifier.verify(token, { requestId });
    if (!verdict.active) this.refusals.set(key, verdict);
    else if (verdict.epoch !== null) this.keep(key, verdict.principal, verdict.epoch, checkpoint);
    return verdict;
  }

  /** An outage of Redis costs a trip to user-token and nothing else. */
  private async readShared(key: string, token: string) {
    try {
      return await this.caches?.shared.read(key, token);
    } catch (error) {
      if (error instanceof StoreUnavailable) return undefined;
      throw error;
    }
  }

  private keep(key: string, principal: Principal, epoch: string, checkpoint: number): void {
    const nowSeconds = nowInSeconds();
    this.caches?.process.add(key, principal, epoch, checkpoint, nowSeconds);
    // Nobody waits for the write, and its loss costs one more trip; the store reports outages itself.
    this.caches?.shared.write(key, { principal, epoch }, nowSeconds).catch(() => undefined);
  }
}

export function nowInSeconds(): number {
  return Date.now() / 1000;
}

import { StoreUnavailable } from '@app/redis';
import type { Principal, Verdict } from '@app/user-token-client';
import { FrozenPrincipals } from './frozen-principals.js';
import type { ProcessTokenCache } from './process-token-cache.js';
import { RefusedTokens, type RefusedTokensOptions } from './refused-tokens.js';
import type { SharedTokenCache } from './shared-token-cache.js';
import type { TokenVerifier } from './token-verifier.js';

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
  private readonly refused: RefusedTokens;
  private readonly principals = new FrozenPrincipals();
  private readonly underWay = new Map<string, Promise<Verdict>>();

  constructor(
    private readonly verifier: TokenVerifier,
    private readonly caches: TokenCaches | undefined,
    refusals: RefusedTokensOptions,
  ) {
    this.refused = new RefusedTokens(refusals);
  }

  /**
   * What this process knows already, without waiting.
   *
   * @param credentials the value of an Authorization header
   */
  known(credentials: string, nowSeconds: number): Principal | undefined {
    return this.caches?.process.get(credentials, nowSeconds);
  }

  /** Whether the token of this {@link tokenKey} was refused within the last seconds. */
  refusedLately(key: string): boolean {
    return this.refused.has(key);
  }

  /**
   * @param key the {@link tokenKey} of the token
   * @returns the same object to all who have waited for it together
   * @throws {UserTokenUnavailable} when no verdict was reached
   */
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
      const { epoch } = cached;
      const principal = this.principals.of(cached.principal);
      this.caches?.process.add(token, principal, epoch, checkpoint, nowInSeconds());
      return { active: true, principal, epoch };
    }
    const verdict = await this.verifier.verify(token, { requestId });
    if (!verdict.active) {
      this.refused.add(key);
      return verdict;
    }
    const { epoch } = verdict;
    const principal = this.principals.of(verdict.principal);
    if (epoch !== null) this.keep(key, token, principal, epoch, checkpoint);
    return { active: true, principal, epoch };
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

  private keep(key: string, token: string, principal: Principal, epoch: string, checkpoint: number): void {
    const nowSeconds = nowInSeconds();
    this.caches?.process.add(token, principal, epoch, checkpoint, nowSeconds);
    // Nobody waits for the write, and its loss costs one more trip; the store reports outages itself.
    this.caches?.shared.write(key, { principal, epoch }, nowSeconds).catch(() => undefined);
  }
}

export function nowInSeconds(): number {
  return Date.now() / 1000;
}

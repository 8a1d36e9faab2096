import { StoreUnavailable } from '@app/store';
import type { CanonicalToken, InactiveReason, Principal, Verdict } from '@app/contract';
import type { Clock } from './clock.js';
import { FrozenPrincipals } from '../cache/frozen-principals.js';
import type { ProcessTokenCache } from '../cache/process-token-cache.js';
import { RefusedTokens, type RefusedTokensOptions } from '../cache/refused-tokens.js';
import type { SharedLookup, SharedTokenCache } from '../cache/shared-token-cache.js';
import type { TokenVerifier } from './token-verifier.js';

/** The two tiers; absent where verdicts must not be kept because revocations would be missed. */
export interface TokenCaches {
  readonly process: ProcessTokenCache;
  readonly shared: SharedTokenCache;
}

/**
 * Finds the principal of a token: in the process, then in Redis, then at user-token. Requests that wait for the same token wait
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
    private readonly clock: Clock,
  ) {
    this.refused = new RefusedTokens(refusals);
  }

  /**
   * The principal that this process already knows, without waiting.
   *
   * @param credentials the value of an Authorization header
   */
  known(credentials: string, nowSeconds: number): Principal | undefined {
    return this.caches?.process.get(credentials, nowSeconds);
  }

  /** Why the token of this {@link principalKey} was refused within the last seconds; undefined where it was not. */
  refusedLately(key: string): InactiveReason | undefined {
    return this.refused.reasonOf(key);
  }

  /**
   * @param key the {@link principalKey} of the token
   * @returns the same object to all requests that have waited for it together
   * @throws {UserTokenUnavailable} when no verdict was reached
   */
  async resolve(key: string, token: CanonicalToken, requestId: string | undefined): Promise<Verdict> {
    // Without the revocation feed, a request must not share the answer to an earlier question.
    if (!this.hearsOfRevocations) return this.lookUp(key, token, requestId);
    const underWay = this.underWay.get(key);
    const verdict = await (underWay ?? this.start(key, token, requestId));
    return this.isOvertaken(verdict, underWay !== undefined) ? this.lookUp(key, token, requestId) : verdict;
  }

  /** Whether this process would hear of a log-out at once. */
  get hearsOfRevocations(): boolean {
    return this.caches !== undefined && this.caches.process.live && this.caches.shared.isKept;
  }

  private start(key: string, token: CanonicalToken, requestId: string | undefined): Promise<Verdict> {
    const verdict = this.lookUp(key, token, requestId).finally(() => this.underWay.delete(key));
    this.underWay.set(key, verdict);
    return verdict;
  }

  private isOvertaken(verdict: Verdict, askedBefore: boolean): boolean {
    if (!verdict.active) return false;
    // A log-out may have come in between, unseen.
    if (verdict.epoch === null) return askedBefore;
    return this.caches!.process.isOvertaken(verdict.principal, verdict.epoch);
  }

  private async lookUp(key: string, token: CanonicalToken, requestId: string | undefined): Promise<Verdict> {
    const checkpoint = this.caches?.process.checkpoint() ?? 0;
    const { entry, generation } = await this.readShared(key, token);
    if (entry) {
      const { epoch, verdictAtSeconds } = entry;
      const principal = this.principals.of(entry.principal);
      const known = { principal, epoch, verdictAtSeconds };
      this.caches?.process.add(token, known, checkpoint, this.clock.nowSeconds());
      return { active: true, principal, epoch };
    }
    // Taken before the question: a verdict cannot be older than this.
    const verdictAtSeconds = this.clock.nowSeconds();
    const verdict = await this.verifier.verify(token, { requestId });
    if (!verdict.active) {
      this.refused.add(key, verdict.reason);
      return verdict;
    }
    const { epoch } = verdict;
    const principal = this.principals.of(verdict.principal);
    this.caches?.shared.hears(verdict.generation);
    // Otherwise a revocation could be missed.
    if (epoch !== null && this.caches?.shared.isKept) {
      const entry = { principal, epoch, verdictAtSeconds };
      this.caches.process.add(token, entry, checkpoint, this.clock.nowSeconds());
      // The write is not awaited: its loss costs one more trip, and the store reports outages itself.
      if (generation !== undefined) this.caches.shared.write(key, entry, generation).catch(() => undefined);
    }
    return { active: true, principal, epoch };
  }

  /** An outage of Redis only costs a trip to user-token. */
  private async readShared(key: string, token: CanonicalToken): Promise<SharedLookup> {
    if (!this.caches) return {};
    try {
      return await this.caches.shared.read(key, token);
    } catch (error) {
      if (error instanceof StoreUnavailable) return {};
      throw error;
    }
  }
}

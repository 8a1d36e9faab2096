import { Injectable } from '@nestjs/common';
import { isCanonicalToken, principalKey, type CanonicalToken, type Principal } from '@app/contract';
import { decideAccess } from './access-decision.js';
import { credentialsOf } from '../cache/cache-keys.js';
import { Clock } from './clock.js';
import { PrincipalResolver } from './principal-resolver.js';

/** Finds the principal of a token other than the request's own, as RFC 7662 needs it; uses the guard's caches. */
@Injectable()
export class TokenInspection {
  constructor(
    private readonly resolver: PrincipalResolver,
    private readonly clock: Clock,
  ) {}

  /**
   * @param token any text
   * @param audience API identifiers, of which the token must name one
   * @param requestId for the log of user-token
   * @returns undefined unless the token is active and meant for one of `audience`
   * @throws {UserTokenUnavailable} when no verdict was reached
   */
  async principalOf(
    token: string,
    audience: readonly string[],
    requestId: string | undefined,
  ): Promise<Principal | undefined> {
    if (!isCanonicalToken(token)) return undefined;
    const principal =
      this.resolver.known(credentialsOf(token), this.clock.nowSeconds()) ??
      (await this.ask(token, requestId));
    if (!principal) return undefined;
    const decision = decideAccess(
      principal,
      { audience, scopes: [], permissions: [] },
      this.clock.nowSeconds(),
    );
    return decision.allowed ? principal : undefined;
  }

  private async ask(token: CanonicalToken, requestId: string | undefined) {
    const key = principalKey(token);
    if (this.resolver.refusedLately(key)) return undefined;
    const verdict = await this.resolver.resolve(key, token, requestId);
    return verdict.active ? verdict.principal : undefined;
  }
}

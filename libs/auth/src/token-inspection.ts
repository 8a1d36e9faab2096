import { Injectable } from '@nestjs/common';
import { isCanonicalToken, type Principal } from '@app/user-token-client';
import { decideAccess } from './access-decision.js';
import { credentialsOf, tokenKey } from './bearer-credentials.js';
import { nowInSeconds, PrincipalResolver } from './principal-resolver.js';

/** Whom a token speaks for that is not the request's own, as RFC 7662 wants to know; by the same caches as the guard. */
@Injectable()
export class TokenInspection {
  constructor(private readonly resolver: PrincipalResolver) {}

  /**
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
      this.resolver.known(credentialsOf(token), nowInSeconds()) ?? (await this.ask(token, requestId));
    if (!principal) return undefined;
    const decision = decideAccess(principal, { audience, scopes: [], permissions: [] }, nowInSeconds());
    return decision.allowed ? principal : undefined;
  }

  private async ask(token: string, requestId: string | undefined) {
    const key = tokenKey(token);
    if (this.resolver.refusedLately(key)) return undefined;
    const verdict = await this.resolver.resolve(key, token, requestId);
    return verdict.active ? verdict.principal : undefined;
  }
}

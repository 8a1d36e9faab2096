import { TokenCheck, type CheckedToken } from '../core/token-check.js';
import type { IssuedAccessTokens } from '../core/issued-tokens.js';

/** Access tokens of registered clients: what was stored when they were issued. */
export class IssuedTokenCheck extends TokenCheck {
  constructor(private readonly issued: IssuedAccessTokens) {
    super();
  }

  /** @throws {StoreUnavailable} nobody else knows these tokens */
  override async check(accessToken: string): Promise<CheckedToken> {
    const found = await this.issued.find(accessToken);
    if (!found) return { active: false, reason: 'invalid' };
    const { principal } = found;
    if (Date.now() / 1000 >= principal.expiresAtSeconds) return { active: false, reason: 'expired' };
    return { active: true, principal };
  }
}

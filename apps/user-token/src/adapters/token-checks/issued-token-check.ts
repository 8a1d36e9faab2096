import { subjectSchema } from '@app/contract';
import { nowInSeconds, type Clock } from '../../core/clock.js';
import { TokenCheck, type CheckedToken } from '../../core/tokens/token-check.js';
import type { IssuedAccessTokens } from '../../core/tokens/issued-tokens.js';

/** Checks access tokens of registered clients by their record in the store. */
export class IssuedTokenCheck extends TokenCheck {
  constructor(
    private readonly issued: IssuedAccessTokens,
    private readonly clock: Clock,
  ) {
    super();
  }

  /** @throws {StoreUnavailable} only the store knows these tokens */
  override async check(accessToken: string): Promise<CheckedToken> {
    const found = await this.issued.find(accessToken);
    if (!found) return { active: false, reason: 'invalid' };
    const { principal } = found;
    if (nowInSeconds(this.clock) >= principal.expiresAtSeconds) return { active: false, reason: 'expired' };
    // Versions before this rule issued tokens for other subjects as well.
    if (!subjectSchema.safeParse(principal.subject).success)
      return { active: false, reason: 'invalid_subject' };
    return { active: true, principal };
  }
}

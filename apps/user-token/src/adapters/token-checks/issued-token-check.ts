import { subjectSchema } from '@app/contract';
import { nowInSeconds, type Clock } from '../../core/clock.js';
import { TokenCheck, type CheckedToken } from '../../core/token-check.js';
import type { IssuedAccessTokens } from '../../core/issued-tokens.js';

/** Access tokens of registered clients: what was stored when they were issued. */
export class IssuedTokenCheck extends TokenCheck {
  constructor(
    private readonly issued: IssuedAccessTokens,
    private readonly clock: Clock,
  ) {
    super();
  }

  /** @throws {StoreUnavailable} nobody else knows these tokens */
  override async check(accessToken: string): Promise<CheckedToken> {
    const found = await this.issued.find(accessToken);
    if (!found) return { active: false, reason: 'invalid' };
    const { principal } = found;
    if (nowInSeconds(this.clock) >= principal.expiresAtSeconds) return { active: false, reason: 'expired' };
    // Logged in before that was asked of a subject.
    if (!subjectSchema.safeParse(principal.subject).success)
      return { active: false, reason: 'invalid_subject' };
    return { active: true, principal };
  }
}

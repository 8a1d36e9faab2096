import type { CanonicalToken, RefusalLog } from '@app/contract';
import { TokenCheck, type CheckedToken } from '../../core/tokens/token-check.js';

/** A check that logs its refusals. */
export class LoggedTokenCheck extends TokenCheck {
  constructor(
    private readonly tokenCheck: TokenCheck,
    private readonly refusals: RefusalLog,
  ) {
    super();
  }

  override async check(accessToken: CanonicalToken): Promise<CheckedToken> {
    const checked = await this.tokenCheck.check(accessToken);
    if (!checked.active) this.refusals.refused(checked.reason, accessToken, { detail: checked.detail });
    return checked;
  }
}

import { isJwt } from '@app/user-token-client';
import { TokenCheck, type CheckedToken } from '../core/token-check.js';

/** JWTs by their signature, all others by asking. */
export class TokenCheckByForm extends TokenCheck {
  constructor(
    private readonly jwt: TokenCheck,
    private readonly opaque: TokenCheck,
  ) {
    super();
  }

  override check(accessToken: string): Promise<CheckedToken> {
    return (isJwt(accessToken) ? this.jwt : this.opaque).check(accessToken);
  }
}

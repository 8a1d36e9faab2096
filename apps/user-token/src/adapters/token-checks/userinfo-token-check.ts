import { AuthorizationServer } from '../../core/authorization-server.js';
import { TokenCheck, type CheckedToken } from '../../core/tokens/token-check.js';
import type { PrincipalClaims } from './principal-claims.js';

/** Checks opaque tokens by a request to `/userinfo`. Their audience is that endpoint alone. */
export class UserinfoTokenCheck extends TokenCheck {
  constructor(
    private readonly authorizationServer: AuthorizationServer,
    private readonly options: {
      readonly issuer: string;
      /** How long an answer counts, in seconds. Auth0 gives no expiry for an opaque token. */
      readonly recheckSeconds: number;
      /** Unix time by a clock that all replicas share. */
      readonly nowSeconds: () => number;
    },
    private readonly claims: PrincipalClaims,
  ) {
    super();
  }

  override async check(accessToken: string): Promise<CheckedToken> {
    const userInfo = await this.authorizationServer.userInfo(accessToken);
    if (!userInfo.active) return { active: false, reason: 'invalid' };
    const subject = this.claims.subject(userInfo.subject);
    if (subject === undefined) return { active: false, reason: 'invalid_subject' };
    const nowSeconds = Math.floor(this.options.nowSeconds());
    return {
      active: true,
      principal: {
        subject,
        scopes: [],
        permissions: [],
        issuer: this.options.issuer,
        audience: [`${this.options.issuer}userinfo`],
        issuedAtSeconds: nowSeconds,
        expiresAtSeconds: nowSeconds + this.options.recheckSeconds,
        claims: this.claims.further(userInfo.claims),
      },
    };
  }
}

// RFC 9068 section 4 and RFC 8725: validating a JWT access token.
import { decodeJwt, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import type { InactiveReason } from '@app/user-token-client';
import { TokenCheck, type CheckedToken } from '../core/token-check.js';
import { audienceOf, timeOf, type PrincipalClaims } from './principal-claims.js';

export interface JwtOptions {
  readonly issuer: string;
  /** API identifiers of the services that verify here; a token must name one of them. */
  readonly audience: readonly string[];
  /** How far ahead of ours the issuer's clock may be, for `nbf` and `iat`. `exp` is taken at its word. */
  readonly clockToleranceSeconds: number;
  /** A token counts for no longer after its `iat`, whatever its `exp`: so long a log-out everywhere is remembered. */
  readonly maxLifetimeSeconds: number;
  /** The clock that tokens end by. Default: our own. */
  readonly nowSeconds?: (() => number) | undefined;
}

/** `JWT` is Auth0's own profile, `at+jwt` RFC 9068's. Anything else is some other kind of JWT (RFC 8725 section 3.11). */
const ACCESS_TOKEN_TYPES = ['jwt', 'at+jwt', 'application/at+jwt'];

/** Checks JWT access tokens against the issuer's published keys. RS256 only. */
export class JwksTokenCheck extends TokenCheck {
  constructor(
    private readonly options: JwtOptions,
    private readonly keys: JWTVerifyGetKey,
    private readonly claims: PrincipalClaims,
  ) {
    super();
  }

  override async check(accessToken: string): Promise<CheckedToken> {
    try {
      const { payload, protectedHeader } = await jwtVerify(accessToken, this.keys, {
        algorithms: ['RS256'],
        issuer: this.options.issuer,
        audience: [...this.options.audience],
        requiredClaims: ['exp', 'iat', 'sub'],
        clockTolerance: this.options.clockToleranceSeconds,
        currentDate: new Date(this.nowSeconds() * 1000),
      });
      const { typ } = protectedHeader;
      if (typ !== undefined && !ACCESS_TOKEN_TYPES.includes(typ.toLowerCase())) return refused('invalid');
      return this.principalOf(payload);
    } catch (error) {
      if (error instanceof errors.JOSEError) return refused(reasonOf(error));
      // Its key could not be had, but whose it is matters only to a token that could be good.
      if (this.isBadByItsOwnWord(accessToken)) return refused('invalid');
      throw error;
    }
  }

  private nowSeconds(): number {
    return this.options.nowSeconds?.() ?? Date.now() / 1000;
  }

  private isBadByItsOwnWord(accessToken: string): boolean {
    try {
      const { iss = this.options.issuer, exp = Infinity } = decodeJwt(accessToken);
      return iss !== this.options.issuer || exp <= this.nowSeconds();
    } catch {
      return true;
    }
  }

  private principalOf(payload: JWTPayload): CheckedToken {
    const nowSeconds = this.nowSeconds();
    const { sub, iss } = payload;
    const [audience, iat, exp] = [audienceOf(payload.aud), timeOf(payload.iat), timeOf(payload.exp)];
    if (typeof sub !== 'string' || sub === '' || iss === undefined || audience === undefined)
      return refused('invalid');
    if (exp === undefined || iat === undefined) return refused('invalid');
    const expiresAtSeconds = Math.min(exp, iat + this.options.maxLifetimeSeconds);
    if (expiresAtSeconds <= nowSeconds) return refused('expired');
    if (iat > nowSeconds + this.options.clockToleranceSeconds) return refused('not_yet_valid');
    // Bound to a key that a bearer of the token has not shown (RFC 9449, RFC 8705).
    if (payload['cnf'] !== undefined) return refused('invalid');
    const subject = this.claims.subject(sub);
    if (subject === undefined) return refused('invalid_subject');
    return {
      active: true,
      principal: {
        subject,
        ...this.claims.grants(payload),
        issuer: iss,
        audience,
        issuedAtSeconds: iat,
        expiresAtSeconds,
        claims: this.claims.further(payload),
      },
    };
  }
}

function reasonOf(error: errors.JOSEError): InactiveReason {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'iss') return 'wrong_issuer';
    if (error.claim === 'aud') return 'wrong_audience';
    if (error.claim === 'nbf') return 'not_yet_valid';
  }
  return 'invalid';
}

function refused(reason: InactiveReason): CheckedToken {
  return { active: false, reason };
}

// RFC 9068 section 4 and RFC 8725: validating a JWT access token.
import { decodeJwt, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import type { InactiveReason } from '@app/user-token-client';
import { TokenCheck, type CheckedToken } from '../core/token-check.js';

export interface JwtOptions {
  readonly issuer: string;
  /** API identifiers of the services that verify here; a token must name one of them. */
  readonly audience: readonly string[];
  /** How far ahead of ours the issuer's clock may be, for `nbf` and `iat`. `exp` is taken at its word. */
  readonly clockToleranceSeconds: number;
  /** Names of the further claims that the principal carries. */
  readonly claims: readonly string[];
}

/** `JWT` is Auth0's own profile, `at+jwt` RFC 9068's. Anything else is some other kind of JWT (RFC 8725 section 3.11). */
const ACCESS_TOKEN_TYPES = ['jwt', 'at+jwt', 'application/at+jwt'];

/** Checks JWT access tokens against the issuer's published keys. RS256 only. */
export class JwksTokenCheck extends TokenCheck {
  constructor(
    private readonly options: JwtOptions,
    private readonly keys: JWTVerifyGetKey,
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

  private isBadByItsOwnWord(accessToken: string): boolean {
    try {
      const { iss = this.options.issuer, exp = Infinity } = decodeJwt(accessToken);
      return iss !== this.options.issuer || exp <= Date.now() / 1000;
    } catch {
      return true;
    }
  }

  private principalOf(payload: JWTPayload): CheckedToken {
    const nowSeconds = Date.now() / 1000;
    const { sub, iss, aud, exp, iat } = payload;
    if (typeof sub !== 'string' || sub === '' || iss === undefined || aud === undefined)
      return refused('invalid');
    if (exp === undefined || iat === undefined || !Number.isSafeInteger(Math.floor(exp)))
      return refused('invalid');
    if (exp <= nowSeconds) return refused('expired');
    if (iat > nowSeconds + this.options.clockToleranceSeconds) return refused('not_yet_valid');
    // Bound to a key that a bearer of the token has not shown (RFC 9449, RFC 8705).
    if (payload['cnf'] !== undefined) return refused('invalid');
    const clientId = payload['client_id'] ?? payload['azp'];
    return {
      active: true,
      principal: {
        subject: sub,
        ...(typeof clientId === 'string' && { clientId }),
        scopes: typeof payload['scope'] === 'string' ? payload['scope'].split(' ').filter(Boolean) : [],
        permissions: strings(payload['permissions']),
        issuer: iss,
        audience: strings(aud),
        issuedAtSeconds: iat,
        expiresAtSeconds: exp,
        claims: pick(payload, this.options.claims),
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

function strings(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((entry) => typeof entry === 'string');
}

/** Own properties only: a claim may be called `__proto__`. */
export function pick(claims: object, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => names.includes(name)));
}

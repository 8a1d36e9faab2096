// RFC 9068 section 4 and RFC 8725: validation of a JWT access token.
import {
  decodeJwt,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
} from 'jose';
import { tokenFacts, type InactiveReason } from '@app/contract';
import { TokenCheck, type CheckedToken } from '../../core/tokens/token-check.js';
import { audienceOf, timeOf, type PrincipalClaims } from './principal-claims.js';

export interface JwtOptions {
  readonly issuer: string;
  /** API identifiers of the services; a token must name one of them. */
  readonly audience: readonly string[];
  /** How far the issuer's clock may be ahead of ours, for `nbf` and `iat`, in seconds. `exp` has no tolerance. */
  readonly clockToleranceSeconds: number;
  /** Longest life of a token after its `iat`, whatever its `exp`, in seconds. A log-out everywhere is remembered for as long. */
  readonly maxLifetimeSeconds: number;
  /** Unix time, for the expiry of tokens. Default: our own clock. */
  readonly nowSeconds?: (() => number) | undefined;
}

/** `JWT` is of Auth0's own profile, `at+jwt` of RFC 9068. Any other type is another kind of JWT (RFC 8725 section 3.11). */
const ACCESS_TOKEN_TYPES = ['jwt', 'at+jwt', 'application/at+jwt'];
const ALGORITHM = 'RS256';
/** Most keys to try for one token whose header matches several. Each try costs a verification, and a stranger may send the token. */
const MAX_CANDIDATES = 10;

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
      // A token that no signature makes valid causes no fetch of keys.
      const refusal = this.refusalByOwnWord(decodeJwt(accessToken), accessToken);
      if (refusal) return refusal;
      const { payload, protectedHeader } = await this.verify(accessToken);
      const { typ } = protectedHeader;
      if (typ !== undefined && !ACCESS_TOKEN_TYPES.includes(typ.toLowerCase()))
        return refused('invalid', 'it is another kind of JWT than an access token, by its typ');
      return this.principalOf(payload);
    } catch (error) {
      if (error instanceof errors.JOSEError) return this.refusalOf(error, accessToken);
      throw error;
    }
  }

  private nowSeconds(): number {
    return this.options.nowSeconds?.() ?? Date.now() / 1000;
  }

  private async verify(accessToken: string): Promise<JWTVerifyResult> {
    const options: JWTVerifyOptions = {
      algorithms: [ALGORITHM],
      issuer: this.options.issuer,
      audience: [...this.options.audience],
      requiredClaims: ['exp', 'iat', 'sub'],
      clockTolerance: this.options.clockToleranceSeconds,
      currentDate: new Date(this.nowSeconds() * 1000),
    };
    try {
      return await jwtVerify(accessToken, this.keys, options);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      return verifyByOneOf(error, accessToken, options);
    }
  }

  /** The refusal of a token that no signature would make valid. */
  private refusalByOwnWord(
    { iss, aud, iat, exp }: JWTPayload,
    accessToken: string,
  ): CheckedToken | undefined {
    if (iss !== undefined && iss !== this.options.issuer) return this.ofAnotherIssuer(accessToken);
    const [issuedAtSeconds, expiresAtSeconds] = [timeOf(iat), timeOf(exp)];
    if (expiresAtSeconds !== undefined && expiresAtSeconds <= this.nowSeconds()) return refused('expired');
    const refusal = issuedAtSeconds === undefined ? undefined : this.refusalOfTime('iat', issuedAtSeconds);
    if (refusal) return refusal;
    const audience = audienceOf(aud);
    return audience && !audience.some((api) => this.options.audience.includes(api))
      ? this.forAnotherAudience(accessToken)
      : undefined;
  }

  private principalOf(payload: JWTPayload): CheckedToken {
    const { sub, iss } = payload;
    const [audience, iat, exp] = [audienceOf(payload.aud), timeOf(payload.iat), timeOf(payload.exp)];
    if (typeof sub !== 'string' || sub === '' || iss === undefined || audience === undefined)
      return refused('invalid', 'its sub or aud is empty or of a wrong type');
    if (exp === undefined || iat === undefined)
      return refused('invalid', 'its exp or iat is not a time since 1970');
    const expiresAtSeconds = Math.min(exp, iat + this.options.maxLifetimeSeconds);
    if (expiresAtSeconds <= this.nowSeconds()) return refused('expired');
    // The token is bound to a key, and its bearer has not proved possession (RFC 9449, RFC 8705).
    if (payload['cnf'] !== undefined)
      return refused('invalid', 'it is bound to a key (cnf), and is no bearer token');
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

  private refusalOf(error: errors.JOSEError, accessToken: string): CheckedToken {
    if (error instanceof errors.JWTExpired) return refused('expired');
    if (error instanceof errors.JWTClaimValidationFailed) return this.refusalOfClaim(error, accessToken);
    if (error instanceof errors.JOSEAlgNotAllowed) {
      const { alg } = tokenFacts(accessToken);
      return refused(
        'invalid',
        `it is signed by ${alg}, and only ${ALGORITHM} is taken: set the signing algorithm of the API to ${ALGORITHM}`,
      );
    }
    if (error instanceof errors.JWKSNoMatchingKey)
      return refused('invalid', 'its key is not among those that the issuer publishes');
    if (error instanceof errors.JWSSignatureVerificationFailed)
      return refused('invalid', 'its signature does not verify by a key of the issuer');
    return refused('invalid', 'it is not a signed JWT as RFC 7515 and RFC 7519 have it');
  }

  private refusalOfClaim(
    { claim, reason, payload }: errors.JWTClaimValidationFailed,
    accessToken: string,
  ): CheckedToken {
    const nbf = timeOf(payload.nbf);
    if (claim === 'iss') return this.ofAnotherIssuer(accessToken);
    if (claim === 'aud' && reason === 'check_failed') return this.forAnotherAudience(accessToken);
    if (claim === 'nbf' && nbf !== undefined)
      return this.refusalOfTime('nbf', nbf) ?? refused('not_yet_valid');
    return refused('invalid', `its ${claim} is missing or of a wrong type`);
  }

  private ofAnotherIssuer(accessToken: string): CheckedToken {
    const { issuer } = tokenFacts(accessToken);
    return refused('wrong_issuer', `its iss is "${issuer}", AUTH0_ISSUER_URL is "${this.options.issuer}"`);
  }

  private forAnotherAudience(accessToken: string): CheckedToken {
    const { audience } = tokenFacts(accessToken);
    return refused(
      'wrong_audience',
      `its aud is "${audience}", AUTH0_AUDIENCE is "${this.options.audience.join(', ')}"`,
    );
  }

  private refusalOfTime(claim: 'iat' | 'nbf', atSeconds: number): CheckedToken | undefined {
    const { clockToleranceSeconds } = this.options;
    const aheadSeconds = atSeconds - this.nowSeconds();
    if (aheadSeconds <= clockToleranceSeconds) return undefined;
    return refused(
      'not_yet_valid',
      `its ${claim} is ${Math.ceil(aheadSeconds)} s ahead of our clock, CLOCK_TOLERANCE_SECONDS is ${clockToleranceSeconds}: check that NTP runs here and at the issuer`,
    );
  }
}

/** RFC 7515 section 4.1.4: tries the keys that match the `kid`. */
async function verifyByOneOf(
  candidates: errors.JWKSMultipleMatchingKeys,
  accessToken: string,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  let tried = 0;
  for await (const key of candidates) {
    try {
      return await jwtVerify(accessToken, key, options);
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
    if ((tried += 1) >= MAX_CANDIDATES) break;
  }
  throw new errors.JWSSignatureVerificationFailed();
}

function refused(reason: InactiveReason, detail?: string): CheckedToken {
  return { active: false, reason, ...(detail !== undefined && { detail }) };
}

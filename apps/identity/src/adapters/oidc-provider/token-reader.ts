import { createLocalJWKSet, errors, jwtVerify, type JWK, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../../core/clock.js';
import type { UserDirectory } from '../../core/credential-check.js';
import type { ReadToken, UnreadableToken } from '../../core/read-token.js';
import { splitScope } from '../../core/scopes.js';
import type { Provider } from './oidc-provider.js';
import type { SigningKeys } from './signing-keys.js';

export interface TokenReaderOptions {
  readonly users: UserDirectory;
  readonly signingKeys: SigningKeys;
  readonly clock: Clock;
  /** The `aud` of JWTs that it accepts. */
  readonly audience: string;
}

/** Reads access tokens for `/userinfo`: opaque ones, and JWTs that name it in `aud`. */
export class TokenReader {
  private readonly publicKeys: JWTVerifyGetKey;

  constructor(
    private readonly provider: Provider,
    private readonly options: TokenReaderOptions,
  ) {
    this.publicKeys = createLocalJWKSet({ keys: options.signingKeys.keys.map(publicPart) });
  }

  async read(token: string): Promise<ReadToken> {
    const claims = token.includes('.') ? await this.readJwt(token) : await this.readOpaque(token);
    if (typeof claims === 'string') return { active: false, reason: claims };
    const user = await this.options.users.find(claims.subject);
    if (!user || user.blocked) return { active: false, reason: 'user_not_allowed' };
    const scopes = splitScope(claims.scope);
    return scopes.includes('openid')
      ? { active: true, user, scopes }
      : { active: false, reason: 'openid_missing' };
  }

  private async readOpaque(value: string): Promise<TokenClaims | UnreadableToken> {
    const token = await this.provider.AccessToken.find(value);
    // A token that names an API is meant only for that API.
    if (!token || token.aud !== undefined) return 'token_unknown';
    return { subject: token.accountId, scope: token.scope ?? '' };
  }

  /** oidc-provider does not store its JWTs, so only the signature proves them. */
  private async readJwt(jwt: string): Promise<TokenClaims | UnreadableToken> {
    try {
      const { payload } = await jwtVerify(jwt, this.publicKeys, {
        algorithms: ['RS256'],
        issuer: this.provider.issuer,
        audience: this.options.audience,
        requiredClaims: ['exp', 'sub', 'scope'],
        currentDate: new Date(this.options.clock.nowMs()),
      });
      return { subject: String(payload.sub), scope: String(payload['scope']) };
    } catch (error) {
      return error instanceof errors.JWTExpired ? 'token_expired' : 'token_invalid';
    }
  }
}

interface TokenClaims {
  readonly subject: string;
  readonly scope: string;
}

function publicPart({ kty, n, e, kid, alg, use }: JWK): JWK {
  return { kty, n, e, kid, alg, use } as JWK;
}

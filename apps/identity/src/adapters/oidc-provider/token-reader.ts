import { createLocalJWKSet, errors, jwtVerify, type JWK, type JWTVerifyGetKey } from 'jose';
import type { UserDirectory } from '../../core/credential-check.js';
import type { User } from '../../core/directory.js';
import { userinfoAudience } from '../../dialects/auth0/access-token-dialect.js';
import type { Provider } from './oidc-provider.js';
import type { SigningKeys } from './signing-keys.js';

export type ReadToken =
  | { readonly active: true; readonly user: User; readonly scopes: readonly string[] }
  | { readonly active: false; readonly reason: string };

/** Reads access tokens for `/userinfo`: opaque ones, and JWTs that name it in `aud`. */
export class TokenReader {
  readonly #publicKeys: JWTVerifyGetKey;

  constructor(
    private readonly provider: Provider,
    private readonly users: UserDirectory,
    { keys }: SigningKeys,
  ) {
    this.#publicKeys = createLocalJWKSet({ keys: keys.map(publicPart) });
  }

  async read(token: string): Promise<ReadToken> {
    const claims = token.includes('.') ? await this.readJwt(token) : await this.readOpaque(token);
    if (typeof claims === 'string') return { active: false, reason: claims };
    const user = await this.users.find(claims.subject);
    if (!user || user.blocked) return { active: false, reason: 'The user may not log in' };
    const scopes = claims.scope.split(' ');
    return scopes.includes('openid')
      ? { active: true, user, scopes }
      : { active: false, reason: 'The token lacks the scope openid' };
  }

  private async readOpaque(value: string): Promise<TokenClaims | string> {
    const token = await this.provider.AccessToken.find(value);
    // A token that names an API is meant only for that API.
    if (!token || token.aud !== undefined) return 'The access token is unknown or has expired';
    return { subject: token.accountId, scope: token.scope ?? '' };
  }

  /** oidc-provider does not store its JWTs, so only the signature proves them. */
  private async readJwt(jwt: string): Promise<TokenClaims | string> {
    try {
      const { payload } = await jwtVerify(jwt, this.#publicKeys, {
        algorithms: ['RS256'],
        issuer: this.provider.issuer,
        audience: userinfoAudience(this.provider.issuer),
        requiredClaims: ['exp', 'sub', 'scope'],
      });
      return { subject: String(payload.sub), scope: String(payload['scope']) };
    } catch (error) {
      return error instanceof errors.JWTExpired
        ? 'The token has expired'
        : 'The access token is not valid here';
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

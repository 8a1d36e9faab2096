/** What a grant (RFC 6749 section 1.3) is given, and what it may do. */
import type { Client } from './clients.js';
import type { Credentials } from './credential-check.js';
import type { Api, Directory, User } from './directory.js';

/**
 * Decides one token request. The client is authenticated and may use the grant type.
 *
 * @returns the body of the token response
 * @throws {Refused}
 */
export type Grant = (context: GrantContext) => Promise<Readonly<Record<string, unknown>>>;

export interface GrantContext {
  readonly client: Client;
  readonly directory: Directory;
  /** Each parameter was given once. */
  readonly parameters: Readonly<Record<string, string | undefined>>;
  /** @throws {Refused} for wrong credentials or a blocked user */
  readonly checkPassword: (credentials: Credentials) => Promise<User>;
  readonly issueUserTokens: (tokens: UserTokens) => Promise<IssuedUserTokens>;
  readonly issueClientToken: (token: ClientToken) => Promise<IssuedToken>;
}

export interface UserTokens {
  readonly user: User;
  /** Without an API the access token is opaque, and only `/userinfo` accepts it. */
  readonly api: Api | undefined;
  /** With `offline_access` a refresh token is issued, with `openid` an ID token. */
  readonly scopes: readonly string[];
  /** What the tokens call the grant (`gty`); those of a refresh are called `refresh_token`. */
  readonly grantType: string;
}

export interface ClientToken {
  readonly api: Api;
  readonly scopes: readonly string[];
}

export interface IssuedToken {
  readonly accessToken: string;
  readonly expiresInSeconds: number;
  readonly tokenType: string;
}

export interface IssuedUserTokens extends IssuedToken {
  readonly refreshToken?: string;
  readonly idToken?: string;
}

/** Data of the authorization server: APIs, clients and connections (Auth0's words) and their users. */

/** `access_token` is Auth0's own dialect (`typ: JWT`, `azp`); `rfc9068_profile` is RFC 9068 (`typ: at+jwt`, `client_id`). */
export type TokenDialect = 'access_token' | 'rfc9068_profile';

/** An audience access tokens are issued for (Auth0: "API", RFC 8707: "resource"). */
export interface Api {
  /** The `aud` of its tokens. */
  readonly identifier: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly accessTokenLifetimeSeconds: number;
  /** Without it no refresh token is issued for this API, whatever a client requests. */
  readonly allowOfflineAccess: boolean;
  readonly tokenDialect: TokenDialect;
}

/** A registered client (RFC 6749 section 2): always confidential, authenticated by its secret. */
export interface Client {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly grantTypes: readonly string[];
  /** Whether `auth0-forwarded-for` of this client names the end user's address. */
  readonly tokenEndpointIpHeaderTrusted: boolean;
  /** Overrides the lifetime set by the API. */
  readonly accessTokenLifetimeSeconds?: number | undefined;
  /** Counted from the log-in; rotation does not extend it. */
  readonly refreshTokenLifetimeSeconds: number;
  /** How long the previous refresh token may be used again; 0: never. */
  readonly refreshTokenLeewaySeconds: number;
  /** Scopes the client itself may have with `client_credentials`, by API identifier. */
  readonly clientGrants: ReadonlyMap<string, readonly string[]>;
}

/** A user for the rest of the server, without credentials. */
export interface User {
  /** `sub` of the tokens, e.g. `auth0|ada`. */
  readonly userId: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly blocked: boolean;
  /** Claims of scope `profile` (OpenID Connect Core section 5.1) with the values the user has. */
  readonly profile: Readonly<Record<string, string>>;
  /** Permissions (Auth0 RBAC) by API identifier. */
  readonly permissions: ReadonlyMap<string, readonly string[]>;
}

export interface Directory {
  readonly apis: ReadonlyMap<string, Api>;
  readonly clients: ReadonlyMap<string, Client>;
  readonly connections: ReadonlySet<string>;
  /** The connection of a `password` grant that names no realm. */
  readonly defaultDirectory?: string | undefined;
}

/** What a tenant knows: APIs, clients, realms and users. */
import type { Clients } from './clients.js';

/** An audience that access tokens are issued for (RFC 8707: a resource). */
export interface Api {
  /** The `aud` of its tokens. */
  readonly identifier: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly accessTokenLifetimeSeconds: number;
  /** Without it no refresh token is issued for this API, whatever a client requests. */
  readonly allowOfflineAccess: boolean;
  /** The form of its JWTs: RFC 9068, or the dialect's own. */
  readonly tokenForm: 'dialect' | 'rfc9068';
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
  /** Permissions by API identifier. */
  readonly permissions: ReadonlyMap<string, readonly string[]>;
}

export interface Directory {
  readonly apis: ReadonlyMap<string, Api>;
  readonly clients: Clients;
  /** Names of the places where users are. */
  readonly realms: ReadonlySet<string>;
  /** The realm of a log-in that names none. */
  readonly defaultRealm?: string | undefined;
}

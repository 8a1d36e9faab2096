import type { LoginAttempt } from './check-password.js';
import type { Api, User } from './directory.js';
import type { Grant } from './grant.js';
import type { Refusal } from './refusal.js';

/** What sets one kind of authorization server apart from another; a tenant speaks it, and knows none. */
export interface Dialect {
  readonly paths: EndpointPaths;
  /** By `grant_type`. `refresh_token` (RFC 6749 section 6) is the same in each dialect. */
  readonly grants: Readonly<Record<string, Grant>>;
  /** Parameters that the grants read. */
  readonly grantParameters: readonly string[];
  /** The header in which a trusted client names the end user's address; in lower case. */
  readonly endUserAddressHeader: string;
  readonly lifetimes: {
    /** Of an access token for `/userinfo` only. */
    readonly opaqueAccessTokenSeconds: number;
    readonly idTokenSeconds: number;
  };
  /** What the log calls an attempt. */
  readonly attemptWords: Readonly<Record<LoginAttempt['outcome'], string>>;
  /** The `aud` of a JWT that `/userinfo` accepts. */
  userinfoAudience(issuer: string): string;
  /** @param token as in RFC 9068 */
  formAccessToken(token: AccessTokenForm, subject: AccessTokenSubject): AccessTokenForm;
  errorWords(refusal: Refusal): ErrorResponse;
}

export interface EndpointPaths {
  readonly authorization: string;
  readonly jwks: string;
  readonly revocation: string;
  readonly token: string;
  readonly userinfo: string;
}

/** A JWT before it is signed. */
export interface AccessTokenForm {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface AccessTokenSubject {
  readonly issuer: string;
  readonly api: Api;
  readonly clientId: string;
  /** Absent for a client's own token. */
  readonly user: User | undefined;
  readonly scopes: readonly string[];
  /** The grant type of the last grant: after a refresh, `refresh_token`. */
  readonly grantType: string;
}

/** An OAuth 2.0 error response (RFC 6749 section 5.2). */
export interface ErrorResponse {
  readonly status: number;
  readonly body: {
    readonly error: string;
    readonly error_description?: string | undefined;
    readonly error_uri?: string | undefined;
  };
  readonly retryAfterSeconds?: number;
}

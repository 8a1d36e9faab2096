import type { GrantRefusal } from '@app/contract';

/** A grant of the authorization server. Its refresh token must not leave this service. */
export interface UpstreamGrant {
  readonly granted: true;
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  readonly expiresInSeconds: number;
  /** Granted scopes, separated by spaces. */
  readonly scope: string;
}

export interface UpstreamRefusal {
  readonly granted: false;
  readonly error: GrantRefusal;
  /** With `mfa_required`. It must not leave this service unsealed. */
  readonly mfaToken?: string | undefined;
  /** With `access_denied`: the reason, in words that the operator lets the user see. */
  readonly description?: string | undefined;
  /**
   * `right`: this refusal takes the right password. `untold`: it says nothing about the password. Absent: the password was wrong, or
   * might be.
   */
  readonly passwordWas?: 'right' | 'untold' | undefined;
  /** With `too_many_attempts`; absent where it is unknown. */
  readonly retryAfterSeconds?: number | undefined;
}

export interface Credentials {
  readonly username: string;
  readonly password: string;
  /** Auth0 connection; absent: the configured one. */
  readonly realm?: string | undefined;
  /** Address of the end user. */
  readonly clientAddress?: string | undefined;
}

/** The answer of `/userinfo` about an opaque token. */
export type UserInfo =
  | { readonly active: true; readonly subject: string; readonly claims: Readonly<Record<string, unknown>> }
  | { readonly active: false };

/**
 * Auth0, or another server that speaks its dialect. A refusal is a value. No answer, or one that makes no sense, is an
 * {@link UpstreamUnavailable}.
 */
export abstract class AuthorizationServer {
  /** RFC 6749 section 4.3, or Auth0's password-realm grant. */
  abstract grantPassword(credentials: Credentials): Promise<UpstreamGrant | UpstreamRefusal>;
  /** RFC 6749 section 6. */
  abstract grantRefresh(refreshToken: string): Promise<UpstreamGrant | UpstreamRefusal>;
  /** RFC 7009. */
  abstract revoke(refreshToken: string): Promise<void>;
  /** OpenID Connect Core section 5.3. */
  abstract userInfo(accessToken: string): Promise<UserInfo>;
}

/** The authorization server gave no usable answer. That says nothing about the user or the token. */
export class UpstreamUnavailable extends Error {
  readonly code = 'upstream_unavailable';

  constructor(
    message: string,
    readonly retryAfterSeconds = 5,
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.name = 'UpstreamUnavailable';
  }
}

import { bearerChallenge } from '@app/auth';
import type { GrantResult } from '@app/contract';
import { OAuthError } from './oauth-error.js';
import { REALM } from './presented-token.decorator.js';

/** RFC 6749 section 5.1, without the refresh token, which stays in user-token. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** Seconds. */
  readonly expires_in: number;
  readonly scope: string;
}

/** @throws {OAuthError} for a refusal */
export function tokenResponse(result: GrantResult, refusals: Refusals): TokenResponse {
  if (!result.granted) throw refusalOf(result, refusals);
  const { accessToken, expiresInSeconds, scope } = result.token;
  return { access_token: accessToken, token_type: 'Bearer', expires_in: expiresInSeconds, scope };
}

/** The meaning of `invalid_grant` for the user of a route. */
export interface Refusals {
  readonly invalidGrant: string;
  /** Default 401. */
  readonly invalidGrantStatus?: 400 | 401;
  /** `WWW-Authenticate` of a 401; the guard's by default. */
  readonly challenge?: string;
}

export type RefusedGrant = Extract<GrantResult, { granted: false }>;

const TRY_AGAIN_AFTER_SECONDS = 60;

function mfaHandleOf({ mfaHandle }: RefusedGrant) {
  return mfaHandle === undefined ? {} : { mfa_handle: mfaHandle };
}

/** The documented answer to each refusal, also to Auth0's own. */
export function refusalOf(
  refusal: RefusedGrant,
  { invalidGrant, invalidGrantStatus = 401, challenge = bearerChallenge({ realm: REALM }) }: Refusals,
): OAuthError {
  const { error } = refusal;
  const headers = invalidGrantStatus === 401 ? { challenge } : {};
  switch (error) {
    case 'invalid_grant':
      return new OAuthError(invalidGrantStatus, error, invalidGrant, headers);
    case 'token_reused':
      return new OAuthError(
        invalidGrantStatus,
        'invalid_grant',
        'This token was refreshed before, so it may have been stolen: its session has been ended, log in again',
        headers,
      );
    case 'too_many_attempts':
      return new OAuthError(429, error, 'Too many attempts to log in; try again later', {
        retryAfterSeconds: refusal.retryAfterSeconds ?? TRY_AGAIN_AFTER_SECONDS,
      });
    case 'password_leaked':
      return new OAuthError(403, error, 'This password has appeared in a data breach; choose a new one');
    case 'mfa_required':
      return new OAuthError(403, error, 'This account needs a second factor', {}, mfaHandleOf(refusal));
    case 'access_denied':
      return new OAuthError(403, error, refusal.description ?? 'This user is not allowed to log in here');
    case 'invalid_scope':
      return new OAuthError(
        400,
        error,
        'The scope cannot be granted: ask for no more than the log-in was granted, and repeat a refresh with the same scope',
      );
    case 'invalid_request':
      return new OAuthError(400, error, 'The authorization server does not take this user name or password');
    case 'requires_verification':
      return new OAuthError(
        403,
        error,
        'This attempt needs a verification that the password grant cannot give',
      );
  }
}

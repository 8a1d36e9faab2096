import { bearerChallenge } from '@app/auth';
import type { GrantRefusal, GrantResult } from '@app/user-token-client';
import { OAuthError } from './oauth-error.js';
import { REALM } from './presented-token.decorator.js';

/** RFC 6749 section 5.1, without the refresh token: that one stays behind user-token. */
export interface TokenResponse {
  readonly access_token: string;
  readonly token_type: 'Bearer';
  /** Seconds. */
  readonly expires_in: number;
  readonly scope: string;
}

/** @throws {OAuthError} for a refusal */
export function tokenResponse(result: GrantResult, refusals: Refusals): TokenResponse {
  if (!result.granted) throw refusalOf(result.error, refusals);
  const { accessToken, expiresInSeconds, scope } = result.token;
  return { access_token: accessToken, token_type: 'Bearer', expires_in: expiresInSeconds, scope };
}

/** What `invalid_grant` means to the user of a route. */
export interface Refusals {
  readonly invalidGrant: string;
}

const TRY_AGAIN_AFTER_SECONDS = 60;

function refusalOf(error: GrantRefusal, { invalidGrant }: Refusals): OAuthError {
  switch (error) {
    case 'invalid_grant':
      return new OAuthError(401, error, invalidGrant, { challenge: bearerChallenge({ realm: REALM }) });
    case 'token_reused':
      return new OAuthError(
        401,
        'invalid_grant',
        'This access token was refreshed before, which is what a thief would do; its session has been ended, log in again',
        { challenge: bearerChallenge({ realm: REALM }) },
      );
    case 'too_many_attempts':
      return new OAuthError(429, error, 'Too many attempts to log in; try again later', {
        retryAfterSeconds: TRY_AGAIN_AFTER_SECONDS,
      });
    case 'password_leaked':
      return new OAuthError(403, error, 'This password has appeared in a data breach; choose a new one');
    case 'mfa_required':
      return new OAuthError(
        403,
        error,
        'This account needs a second factor, which is not supported here yet',
      );
    case 'requires_verification':
      return new OAuthError(
        403,
        error,
        'This attempt needs a verification that the password grant cannot give',
      );
  }
}

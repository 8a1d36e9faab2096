import { z } from 'zod';
import {
  MAX_DENIAL_DESCRIPTION_LENGTH,
  MAX_PASSWORD_BYTES,
  MAX_REALM_LENGTH,
  MAX_USERNAME_BYTES,
} from '../limits.js';
import { client, clientAddress, clientId, requestId, token, userAgent } from './request-fields.js';

export const loginRequestSchema = z.strictObject({
  requestId,
  username: z.string().min(1).max(MAX_USERNAME_BYTES),
  password: z.string().min(1).max(MAX_PASSWORD_BYTES),
  /** Auth0 connection to log in with (password-realm grant); the configured realm when absent. */
  realm: z.string().min(1).max(MAX_REALM_LENGTH).optional(),
  clientAddress,
  userAgent,
  /** The client that logs the user in, and gets our own tokens; absent for our own front ends. */
  client: client.optional(),
});

export const refreshRequestSchema = z.strictObject({
  requestId,
  accessToken: token,
  clientAddress,
  userAgent,
});

export const refreshGrantRequestSchema = z.strictObject({
  requestId,
  refreshToken: token,
  client,
  clientAddress,
  userAgent,
});

/** One of our own tokens, and the client that presents it. */
export const issuedTokenRequestSchema = z.strictObject({ requestId, token, clientId });

const grantedTokenSchema = z.strictObject({
  accessToken: z.string(),
  expiresInSeconds: z.number(),
  /** Granted scopes, separated by spaces (RFC 6749 section 3.3). */
  scope: z.string(),
  /** Only for registered clients; the authorization server's own refresh token never leaves user-token. */
  refreshToken: z.string().optional(),
  /** Remaining life of the refresh token in whole seconds, if the session does not end earlier. */
  refreshExpiresInSeconds: z.number().optional(),
});

/**
 * Why no token was granted. `invalid_grant`: wrong credentials, blocked user, or (refresh) no such session.
 * `token_reused`: the access token was refreshed before and is no longer in its replay window (RFC 9700 section 4.14.2); the
 * session is ended. `invalid_scope`: (registered clients) none of the scopes can be granted. `too_many_attempts`: our limit or
 * Auth0's. `invalid_request`: the authorization server does not accept the input, e.g. its length. `access_denied`: a rule of
 * the tenant does not let this user in. The others are Auth0's own answers, passed on.
 */
const grantRefusalSchema = z.enum([
  'invalid_grant',
  'token_reused',
  'invalid_scope',
  'invalid_request',
  'too_many_attempts',
  'password_leaked',
  'mfa_required',
  'requires_verification',
  'access_denied',
]);

export const grantResultSchema = z.discriminatedUnion('granted', [
  z.strictObject({ granted: z.literal(true), token: grantedTokenSchema }),
  z.strictObject({
    granted: z.literal(false),
    error: grantRefusalSchema,
    /** With `too_many_attempts`, where known. */
    retryAfterSeconds: z.number().optional(),
    /** With `mfa_required`: the handle for the steps that finish the log-in. Opaque, valid for 10 minutes. */
    mfaHandle: z.string().optional(),
    /** With `access_denied`, where the user may know the reason: one line. */
    description: z.string().min(1).max(MAX_DENIAL_DESCRIPTION_LENGTH).optional(),
  }),
]);

/** `foreign`: issued to another client, and still in force. `unsupported`: not a token that clients can revoke, such as a JWT. */
export const revokeTokenResultSchema = z.strictObject({
  outcome: z.enum(['revoked', 'unknown', 'foreign', 'unsupported']),
});

export const refreshTokenInspectionSchema = z.discriminatedUnion('active', [
  z.strictObject({
    active: z.literal(true),
    subject: z.string(),
    scope: z.string(),
    issuedAtSeconds: z.number(),
    expiresAtSeconds: z.number(),
  }),
  z.strictObject({ active: z.literal(false) }),
]);

export type GrantedToken = z.infer<typeof grantedTokenSchema>;
export type GrantRefusal = z.infer<typeof grantRefusalSchema>;
export type GrantResult = z.infer<typeof grantResultSchema>;
export type RevokeTokenResult = z.infer<typeof revokeTokenResultSchema>;
export type RefreshTokenInspection = z.infer<typeof refreshTokenInspectionSchema>;

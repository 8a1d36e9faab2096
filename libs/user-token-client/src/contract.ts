import { z } from 'zod';
import { MAX_TOKEN_LENGTH } from './canonical-token.js';
import { principalSchema } from './principal.js';

/** Message patterns of user-token's TCP interface. */
export const patterns = {
  /** Answers at once, with true, as long as the process runs. */
  ping: 'ping',
  verify: 'token.verify',
  login: 'session.login',
  refresh: 'session.refresh',
  logout: 'session.logout',
  logoutAll: 'session.logoutAll',
  revokeSubject: 'subject.revoke',
} as const;

const requestId = z.string().max(64).optional();
const accessToken = z.string().min(1).max(MAX_TOKEN_LENGTH);

export const verifyRequestSchema = z.strictObject({ requestId, accessToken });

export const loginRequestSchema = z.strictObject({
  requestId,
  username: z.string().min(1).max(320),
  password: z.string().min(1).max(4096),
  /** Auth0 connection to log in with (password-realm grant); the configured realm when absent. */
  realm: z.string().min(1).max(128).optional(),
  /** Address of the end user, sent upstream as `auth0-forwarded-for`. */
  clientAddress: z.union([z.ipv4(), z.ipv6()]).optional(),
});

export const sessionRequestSchema = z.strictObject({ requestId, accessToken });

export const revokeSubjectRequestSchema = z.strictObject({
  requestId,
  /** `sub` of the user whose access ends, e.g. `auth0|ada`. */
  subject: z.string().min(1).max(256),
});

/**
 * Why a token was refused. `revoked`: logged out or denied. `expired` and `not_yet_valid`: `exp` and `nbf`.
 * `wrong_issuer`, `wrong_audience`: issued by or for somebody else. `malformed`: not a token at all.
 * `invalid`: signature, algorithm, type or a claim is wrong.
 */
export const inactiveReasonSchema = z.enum([
  'malformed',
  'invalid',
  'expired',
  'not_yet_valid',
  'wrong_issuer',
  'wrong_audience',
  'revoked',
]);

export const verdictSchema = z.discriminatedUnion('active', [
  z.strictObject({
    active: z.literal(true),
    principal: principalSchema,
    /**
     * Revocation epoch of the subject under which this verdict was reached ('' if none was ever set), or null when
     * it could not be read: such a verdict holds for the request at hand and must not be cached.
     */
    epoch: z.string().nullable(),
  }),
  z.strictObject({ active: z.literal(false), reason: inactiveReasonSchema }),
]);

export const grantedTokenSchema = z.strictObject({
  accessToken: z.string(),
  expiresInSeconds: z.number(),
  /** Granted scopes, separated by spaces (RFC 6749 section 3.3). */
  scope: z.string(),
});

/**
 * Why no token was granted. `invalid_grant`: wrong credentials, blocked user, or (refresh) no such session, alike.
 * `token_reused`: the access token was refreshed before and is no longer in its replay window (RFC 9700 section 4.14.2); the
 * session has been ended. The others are Auth0's own answers, passed on.
 */
export const grantRefusalSchema = z.enum([
  'invalid_grant',
  'token_reused',
  'too_many_attempts',
  'password_leaked',
  'mfa_required',
  'requires_verification',
]);

export const grantResultSchema = z.discriminatedUnion('granted', [
  z.strictObject({ granted: z.literal(true), token: grantedTokenSchema }),
  z.strictObject({ granted: z.literal(false), error: grantRefusalSchema }),
]);

export const logoutResultSchema = z.discriminatedUnion('ended', [
  z.strictObject({ ended: z.literal(true) }),
  z.strictObject({ ended: z.literal(false), reason: inactiveReasonSchema }),
]);

export const revokedSchema = z.strictObject({ revoked: z.literal(true) });

/** What user-token sends as an RPC error: no verdict was reached. */
export const failureSchema = z.object({
  code: z.enum([
    'upstream_unavailable',
    'store_unavailable',
    'denials_unknown',
    'draining',
    'internal',
    'invalid_payload',
  ]),
  message: z.string(),
  retryAfterSeconds: z.number().optional(),
});

export type VerifyRequest = z.infer<typeof verifyRequestSchema>;
export type LoginRequest = z.infer<typeof loginRequestSchema>;
export type SessionRequest = z.infer<typeof sessionRequestSchema>;
export type InactiveReason = z.infer<typeof inactiveReasonSchema>;
export type RevokeSubjectRequest = z.infer<typeof revokeSubjectRequestSchema>;
export type Verdict = z.infer<typeof verdictSchema>;
export type GrantedToken = z.infer<typeof grantedTokenSchema>;
export type GrantRefusal = z.infer<typeof grantRefusalSchema>;
export type GrantResult = z.infer<typeof grantResultSchema>;
export type LogoutResult = z.infer<typeof logoutResultSchema>;
export type Failure = z.infer<typeof failureSchema>;

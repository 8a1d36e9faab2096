import { hash } from 'node:crypto';
import { z } from 'zod';
import { MAX_TOKEN_LENGTH } from './tokens/canonical-token.js';
import { principalSchema } from './tokens/principal.js';
import { subjectSchema } from './tokens/subject.js';

/** Message patterns of user-token's TCP interface. */
export const patterns = {
  /** Answers at once as long as the process runs: {@link pongSchema}. */
  ping: 'ping',
  verify: 'token.verdicts',
  /** The same for services of the previous version, which do not know answers that name their token. Removed in the next version. */
  verifyUnnamed: 'token.verify',
  login: 'session.login',
  refresh: 'session.refresh',
  logout: 'session.logout',
  logoutAll: 'session.logoutAll',
  listSessions: 'session.list',
  endSession: 'session.end',
  refreshGrant: 'grant.refresh',
  revokeToken: 'grant.revoke',
  inspectRefreshToken: 'grant.inspect',
  revokeSubject: 'subject.revoke',
} as const;

export const MAX_REQUEST_ID_LENGTH = 64;
const requestId = z.string().max(MAX_REQUEST_ID_LENGTH).optional();
const accessToken = z.string().min(1).max(MAX_TOKEN_LENGTH);

const clientAddress = z.union([z.ipv4(), z.ipv6()]).optional();

/** Longer ones are cut before they are sent. */
export const MAX_USER_AGENT_LENGTH = 256;
const userAgent = z.string().max(MAX_USER_AGENT_LENGTH).optional();

const clientId = z.string().min(1).max(128);

/** An authenticated registered client, and what it may have. */
const clientSchema = z.strictObject({
  clientId,
  /** Scopes that it may have. */
  allowed: z.array(z.string().min(1)).max(256),
  /** Scopes that it asks for; when absent, all that it can have. */
  asked: z.array(z.string().min(1)).max(256).optional(),
});

/**
 * Longest user name and password, in bytes of UTF-8. A byte takes up to three in the form that goes upstream: both together
 * fit into the 16 KiB that authorization servers accept, with enough left for the rest of the form.
 */
export const MAX_USERNAME_BYTES = 320;
export const MAX_PASSWORD_BYTES = 4096;

export const verifyRequestSchema = z.strictObject({ requestId, accessToken });

/** Verifications in one message. */
export const MAX_VERIFICATIONS = 128;

export const verifyRequestsSchema = z.strictObject({
  requests: z.array(verifyRequestSchema).min(1).max(MAX_VERIFICATIONS),
});

export const loginRequestSchema = z.strictObject({
  requestId,
  username: z.string().min(1).max(MAX_USERNAME_BYTES),
  password: z.string().min(1).max(MAX_PASSWORD_BYTES),
  /** Auth0 connection to log in with (password-realm grant); the configured realm when absent. */
  realm: z.string().min(1).max(128).optional(),
  /** Address of the end user, sent upstream as `auth0-forwarded-for`. */
  clientAddress,
  userAgent,
  /** The client that logs the user in, and gets our own tokens; absent for our own front ends. */
  client: clientSchema.optional(),
});

export const sessionRequestSchema = z.strictObject({ requestId, accessToken });

export const refreshRequestSchema = z.strictObject({ requestId, accessToken, clientAddress, userAgent });

export const endSessionRequestSchema = z.strictObject({
  requestId,
  accessToken,
  /** As in the list of sessions. */
  sessionId: z.uuid(),
});

export const refreshGrantRequestSchema = z.strictObject({
  requestId,
  refreshToken: accessToken,
  client: clientSchema,
  clientAddress,
  userAgent,
});

export const issuedTokenRequestSchema = z.strictObject({ requestId, token: accessToken, clientId });

export const revokeSubjectRequestSchema = z.strictObject({
  requestId,
  /** `sub` of the user whose access ends, e.g. `auth0|ada`. */
  subject: subjectSchema,
});

/**
 * Why a token was refused. `revoked`: logged out or denied. `expired` and `not_yet_valid`: `exp` and `nbf`.
 * `wrong_issuer`, `wrong_audience`: issued by or for another party. `malformed`: not a token at all.
 * `invalid_subject`: it could not be revoked, because its `sub` cannot be named ({@link subjectSchema}).
 * `invalid`: signature, algorithm, type or a claim is wrong.
 */
export const inactiveReasonSchema = z.enum([
  'malformed',
  'invalid',
  'expired',
  'not_yet_valid',
  'wrong_issuer',
  'wrong_audience',
  'invalid_subject',
  'revoked',
]);

/** `not_permitted`: in force, but this token may not list or end its user's sessions. */
const sessionRefusalSchema = z.enum([...inactiveReasonSchema.options, 'not_permitted']);

export const verdictSchema = z.discriminatedUnion('active', [
  z.strictObject({
    active: z.literal(true),
    principal: principalSchema,
    /**
     * Revocation epoch of the subject at the time of this verdict ('' if none was ever set), or null when it could not
     * be read: such a verdict holds only for the current request and must not be cached.
     */
    epoch: z.string().nullable(),
    /** Generation of the store of the epoch: a service that sees another one there misses log-outs, and must not cache the verdict. */
    generation: z.string().optional(),
  }),
  z.strictObject({ active: z.literal(false), reason: inactiveReasonSchema }),
]);

export const grantedTokenSchema = z.strictObject({
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
export const grantRefusalSchema = z.enum([
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

/** Longest description of an `access_denied`, in UTF-16 units; longer ones are cut before sending. */
export const MAX_DENIAL_DESCRIPTION_LENGTH = 256;

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

export const logoutResultSchema = z.discriminatedUnion('ended', [
  z.strictObject({ ended: z.literal(true) }),
  z.strictObject({ ended: z.literal(false), reason: sessionRefusalSchema }),
]);

/** A session as shown to its user. */
export const listedSessionSchema = z.strictObject({
  id: z.string(),
  /** Whether it is the session of the presented access token. */
  current: z.boolean(),
  /** OAuth client; absent for our own front ends. */
  clientId: z.string().optional(),
  userAgent: z.string().optional(),
  address: z.string().optional(),
  createdAtSeconds: z.number(),
  /** Last log-in or refresh. */
  usedAtSeconds: z.number(),
});

export const listSessionsResultSchema = z.discriminatedUnion('listed', [
  z.strictObject({ listed: z.literal(true), sessions: z.array(listedSessionSchema) }),
  z.strictObject({ listed: z.literal(false), reason: sessionRefusalSchema }),
]);

export const endSessionResultSchema = z.discriminatedUnion('ended', [
  z.strictObject({ ended: z.literal(true) }),
  z.strictObject({
    ended: z.literal(false),
    /** `unknown_session`: the user of the access token has no session of this id. */
    reason: z.enum([...sessionRefusalSchema.options, 'unknown_session']),
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

export const revokedSchema = z.strictObject({ revoked: z.literal(true) });

/** RPC error of user-token: no verdict was reached. */
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

/** Answer to {@link patterns.ping}, and part of the answer to {@link patterns.verify}. */
export interface Pong {
  /** Time of user-token's clock, in ms since the epoch. */
  readonly nowMs: number;
}

/** For the request at `index`: either a verdict ({@link verdictSchema}), or the reason why there is none. */
const verifyAnswerSchema = z.object({
  index: z.int().min(0),
  /** Hash of the token in question ({@link tokenHash}): an answer to another question is no answer. */
  tokenHash: z.string(),
  verdict: z.unknown().optional(),
  failure: failureSchema.optional(),
});

/** Several of these answer {@link verifyRequestsSchema}, each as soon as there is a verdict. Fields of later versions are ignored. */
export const verifyReplySchema = z.object({ nowMs: z.number(), answers: z.array(verifyAnswerSchema) });

/** SHA-256, base64url. */
export function tokenHash(accessToken: string): string {
  return hash('sha256', accessToken, 'base64url');
}

export type VerifyAnswer = z.infer<typeof verifyAnswerSchema>;
export type VerifyReply = z.infer<typeof verifyReplySchema>;
export type VerifyRequests = z.infer<typeof verifyRequestsSchema>;
export type VerifyRequest = z.infer<typeof verifyRequestSchema>;
export type LoginRequest = z.infer<typeof loginRequestSchema>;
export type SessionRequest = z.infer<typeof sessionRequestSchema>;
export type RefreshRequest = z.infer<typeof refreshRequestSchema>;
export type EndSessionRequest = z.infer<typeof endSessionRequestSchema>;
export type RefreshGrantRequest = z.infer<typeof refreshGrantRequestSchema>;
export type IssuedTokenRequest = z.infer<typeof issuedTokenRequestSchema>;
export type ListedSession = z.infer<typeof listedSessionSchema>;
export type ListSessionsResult = z.infer<typeof listSessionsResultSchema>;
export type EndSessionResult = z.infer<typeof endSessionResultSchema>;
export type RevokeTokenResult = z.infer<typeof revokeTokenResultSchema>;
export type RefreshTokenInspection = z.infer<typeof refreshTokenInspectionSchema>;
export type InactiveReason = z.infer<typeof inactiveReasonSchema>;
export type RevokeSubjectRequest = z.infer<typeof revokeSubjectRequestSchema>;
export type SessionRefusal = z.infer<typeof sessionRefusalSchema>;
export type Verdict = z.infer<typeof verdictSchema>;
export type GrantedToken = z.infer<typeof grantedTokenSchema>;
export type GrantRefusal = z.infer<typeof grantRefusalSchema>;
export type GrantResult = z.infer<typeof grantResultSchema>;
export type LogoutResult = z.infer<typeof logoutResultSchema>;
export type Failure = z.infer<typeof failureSchema>;

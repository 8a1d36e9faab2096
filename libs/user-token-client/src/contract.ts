import { hash } from 'node:crypto';
import { z } from 'zod';
import { MAX_TOKEN_LENGTH } from './canonical-token.js';
import { principalSchema, subjectSchema } from './principal.js';

/** Message patterns of user-token's TCP interface. */
export const patterns = {
  /** Answers at once as long as the process runs: {@link pongSchema}. */
  ping: 'ping',
  verify: 'token.verdicts',
  /** The same for services of the version before, which know no answers that name their token. To go with the next version. */
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

/** A registered client that was authenticated, and what it may have. */
const clientSchema = z.strictObject({
  clientId,
  /** Scopes that it may have. */
  allowed: z.array(z.string().min(1)).max(256),
  /** Scopes that it asks for; all it can have when absent. */
  asked: z.array(z.string().min(1)).max(256).optional(),
});

/**
 * Longest user name and password, in bytes of UTF-8. Upstream a byte takes up to three, for it goes into a form: both together
 * fit into the 16 KiB that authorization servers take, with as much again as the rest of the form needs.
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
  /** The client that logs the user in, and gets tokens of our own; absent for our own front ends. */
  client: clientSchema.optional(),
});

export const sessionRequestSchema = z.strictObject({ requestId, accessToken });

export const refreshRequestSchema = z.strictObject({ requestId, accessToken, clientAddress, userAgent });

export const endSessionRequestSchema = z.strictObject({
  requestId,
  accessToken,
  /** From the list of sessions. */
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
 * `wrong_issuer`, `wrong_audience`: issued by or for somebody else. `malformed`: not a token at all.
 * `invalid_subject`: nobody could revoke it, for its `sub` cannot be named ({@link subjectSchema}).
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

/** `not_permitted`: in force, but not a token by which its user's sessions may be seen or ended. */
const sessionRefusalSchema = z.enum([...inactiveReasonSchema.options, 'not_permitted']);

export const verdictSchema = z.discriminatedUnion('active', [
  z.strictObject({
    active: z.literal(true),
    principal: principalSchema,
    /**
     * Revocation epoch of the subject under which this verdict was reached ('' if none was ever set), or null when
     * it could not be read: such a verdict holds for the request at hand and must not be cached.
     */
    epoch: z.string().nullable(),
    /** Of the store that the epoch was read from: a service that sees another one there hears of no log-out, and must not cache it. */
    generation: z.string().optional(),
  }),
  z.strictObject({ active: z.literal(false), reason: inactiveReasonSchema }),
]);

export const grantedTokenSchema = z.strictObject({
  accessToken: z.string(),
  expiresInSeconds: z.number(),
  /** Granted scopes, separated by spaces (RFC 6749 section 3.3). */
  scope: z.string(),
  /** Only for registered clients; the authorization server's own never leaves user-token. */
  refreshToken: z.string().optional(),
  /** Whole seconds that the refresh token can be used for, if the session is not ended before. */
  refreshExpiresInSeconds: z.number().optional(),
});

/**
 * Why no token was granted. `invalid_grant`: wrong credentials, blocked user, or (refresh) no such session, alike.
 * `token_reused`: the access token was refreshed before and is no longer in its replay window (RFC 9700 section 4.14.2); the
 * session has been ended. `invalid_scope`: (registered clients) nothing of it can be granted. `too_many_attempts`: our limit or
 * Auth0's. `invalid_request`: the authorization server does not take what was typed, e.g. for its length. `access_denied`: a rule of
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

/** Of an `access_denied`, in UTF-16 units; longer ones are cut before they are sent. */
export const MAX_DENIAL_DESCRIPTION_LENGTH = 256;

export const grantResultSchema = z.discriminatedUnion('granted', [
  z.strictObject({ granted: z.literal(true), token: grantedTokenSchema }),
  z.strictObject({
    granted: z.literal(false),
    error: grantRefusalSchema,
    /** With `too_many_attempts`, where it is known. */
    retryAfterSeconds: z.number().optional(),
    /** With `mfa_required`: what the steps that finish the log-in are to be asked with. Opaque, good for 10 minutes. */
    mfaHandle: z.string().optional(),
    /** With `access_denied`, where the user may know: why, in one line. */
    description: z.string().min(1).max(MAX_DENIAL_DESCRIPTION_LENGTH).optional(),
  }),
]);

export const logoutResultSchema = z.discriminatedUnion('ended', [
  z.strictObject({ ended: z.literal(true) }),
  z.strictObject({ ended: z.literal(false), reason: sessionRefusalSchema }),
]);

/** A session as its user may see it. */
export const listedSessionSchema = z.strictObject({
  id: z.string(),
  /** Whether it is the one of the access token that was presented. */
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

/** What {@link patterns.ping} is answered with, and {@link patterns.verify} among other things. */
export interface Pong {
  /** Time of user-token's clock, in ms since the epoch. */
  readonly nowMs: number;
}

/** Of the request at `index`: either a verdict ({@link verdictSchema}), or why none was reached. */
const verifyAnswerSchema = z.object({
  index: z.int().min(0),
  /** Of the token that this is about ({@link tokenHash}): an answer to another question is no answer. */
  tokenHash: z.string(),
  verdict: z.unknown().optional(),
  failure: failureSchema.optional(),
});

/** {@link verifyRequestsSchema} is answered with several of these, each as soon as there is a verdict. Fields of later versions are let be. */
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

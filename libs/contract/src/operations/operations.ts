import { z } from 'zod';
import {
  grantResultSchema,
  issuedTokenRequestSchema,
  loginRequestSchema,
  refreshGrantRequestSchema,
  refreshRequestSchema,
  refreshTokenInspectionSchema,
  revokeTokenResultSchema,
} from './grant.js';
import {
  endSessionRequestSchema,
  endSessionResultSchema,
  listSessionsResultSchema,
  logoutResultSchema,
  revokedSchema,
  revokeSubjectRequestSchema,
  sessionRequestSchema,
} from './session.js';
import {
  pongSchema,
  unnamedAnswersSchema,
  verdictSchema,
  verifyBatchSchema,
  verifyReplySchema,
  verifyRequestSchema,
} from './verdict.js';

/** What a message to user-token carries, and what comes back. */
interface Message {
  /** Nest's message pattern. */
  readonly pattern: string;
  readonly request: z.ZodType;
  readonly result: z.ZodType;
  /** Where many requests go in one message: that message, and its replies. */
  readonly batch?: { readonly request: z.ZodType; readonly reply: z.ZodType };
}

interface Operation extends Message {
  /** Whether the client may send it again after it may have reached user-token: the answer would be the same, and no harm done. */
  readonly repeatable: boolean;
  /** Deadline of the client. `session`: it waits for the authorization server, or for Redis to have written. */
  readonly timeLimit: 'verify' | 'session';
}

/**
 * What services ask of user-token. A row is all that the two sides agree on: user-token handles it in a method with
 * `@Operation('<name>')`, and `UserTokenClient` asks it in the method of this name.
 */
export const operations = {
  verify: {
    pattern: 'token.verdicts',
    request: verifyRequestSchema,
    result: verdictSchema,
    batch: { request: verifyBatchSchema, reply: verifyReplySchema },
    repeatable: true,
    timeLimit: 'verify',
  },
  login: {
    pattern: 'session.login',
    request: loginRequestSchema,
    result: grantResultSchema,
    // An attempt counts against the limit of its user.
    repeatable: false,
    timeLimit: 'session',
  },
  refresh: {
    pattern: 'session.refresh',
    request: refreshRequestSchema,
    result: grantResultSchema,
    // Within REFRESH_REPLAY_WINDOW_SECONDS the old access token gets the same answer.
    repeatable: true,
    timeLimit: 'session',
  },
  logout: {
    pattern: 'session.logout',
    request: sessionRequestSchema,
    result: logoutResultSchema,
    repeatable: true,
    timeLimit: 'session',
  },
  logoutAll: {
    pattern: 'session.logoutAll',
    request: sessionRequestSchema,
    result: logoutResultSchema,
    // The call has revoked its own token, which is then refused.
    repeatable: false,
    timeLimit: 'session',
  },
  listSessions: {
    pattern: 'session.list',
    request: sessionRequestSchema,
    result: listSessionsResultSchema,
    repeatable: true,
    timeLimit: 'session',
  },
  endSession: {
    pattern: 'session.end',
    request: endSessionRequestSchema,
    result: endSessionResultSchema,
    // Where it was the session of the token itself, the token is then refused.
    repeatable: false,
    timeLimit: 'session',
  },
  refreshGrant: {
    pattern: 'grant.refresh',
    request: refreshGrantRequestSchema,
    result: grantResultSchema,
    // Later than OAUTH_REFRESH_REUSE_SECONDS after the refresh, or where that is 0, it counts as reuse of the token.
    repeatable: false,
    timeLimit: 'session',
  },
  revokeToken: {
    pattern: 'grant.revoke',
    request: issuedTokenRequestSchema,
    result: revokeTokenResultSchema,
    repeatable: true,
    timeLimit: 'session',
  },
  inspectRefreshToken: {
    pattern: 'grant.inspect',
    request: issuedTokenRequestSchema,
    result: refreshTokenInspectionSchema,
    repeatable: true,
    timeLimit: 'verify',
  },
  revokeSubject: {
    pattern: 'subject.revoke',
    request: revokeSubjectRequestSchema,
    result: revokedSchema,
    repeatable: true,
    timeLimit: 'session',
  },
} as const satisfies Readonly<Record<string, Operation>>;

/** Messages that user-token also answers, and that are no questions of a service. */
export const otherMessages = {
  /** Answered at once as long as the process runs. */
  ping: { pattern: 'ping', request: z.unknown(), result: pongSchema },
  /** `verify` for services of the previous version, which do not know answers that name their token. Removed in the next version. */
  verifyUnnamed: {
    pattern: 'token.verify',
    request: verifyRequestSchema,
    result: verdictSchema,
    batch: { request: verifyBatchSchema, reply: unnamedAnswersSchema },
  },
} as const satisfies Readonly<Record<string, Message>>;

/** All that user-token handles. */
export const messages = { ...operations, ...otherMessages };

export type OperationName = keyof typeof operations;
export type MessageName = keyof typeof messages;

export type RequestOf<Name extends OperationName> = z.infer<(typeof operations)[Name]['request']>;
export type ResultOf<Name extends OperationName> = z.infer<(typeof operations)[Name]['result']>;

/** Schema of {@link ResultOf}. */
export function resultSchemaOf<Name extends OperationName>(name: Name): z.ZodType<ResultOf<Name>> {
  return operations[name].result as z.ZodType as z.ZodType<ResultOf<Name>>;
}

import { z } from 'zod';
import { subjectSchema } from '../tokens/subject.js';
import { requestId, token } from './request-fields.js';
import { inactiveReasonSchema } from './verdict.js';

export const sessionRequestSchema = z.strictObject({ requestId, accessToken: token });

export const endSessionRequestSchema = z.strictObject({
  requestId,
  accessToken: token,
  /** As in the list of sessions. */
  sessionId: z.uuid(),
});

export const revokeSubjectRequestSchema = z.strictObject({
  requestId,
  /** `sub` of the user whose access ends, e.g. `auth0|ada`. */
  subject: subjectSchema,
});

/** `not_permitted`: in force, but this token may not list or end its user's sessions. */
const sessionRefusalSchema = z.enum([...inactiveReasonSchema.options, 'not_permitted']);

export const logoutResultSchema = z.discriminatedUnion('ended', [
  z.strictObject({ ended: z.literal(true) }),
  z.strictObject({ ended: z.literal(false), reason: sessionRefusalSchema }),
]);

/** A session as shown to its user. */
const listedSessionSchema = z.strictObject({
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

export const revokedSchema = z.strictObject({ revoked: z.literal(true) });

export type SessionRefusal = z.infer<typeof sessionRefusalSchema>;
export type LogoutResult = z.infer<typeof logoutResultSchema>;
export type ListedSession = z.infer<typeof listedSessionSchema>;
export type ListSessionsResult = z.infer<typeof listSessionsResultSchema>;
export type EndSessionResult = z.infer<typeof endSessionResultSchema>;

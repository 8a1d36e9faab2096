import { z } from 'zod';
import { MAX_VERIFICATIONS } from '../limits.js';
import { principalSchema } from '../tokens/principal.js';
import { failureSchema } from './failure.js';
import { requestId, token } from './request-fields.js';

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

export const verifyRequestSchema = z.strictObject({ requestId, accessToken: token });

/** The verifications of one message. */
export const verifyBatchSchema = z.strictObject({
  requests: z.array(verifyRequestSchema).min(1).max(MAX_VERIFICATIONS),
});

/** Answer to a ping, and part of each reply to a {@link verifyBatchSchema}. */
export const pongSchema = z.object({
  /** Time of user-token's clock, in ms since the epoch. */
  nowMs: z.number(),
});

/** For the request at `index`: either a verdict ({@link verdictSchema}), or the reason why there is none. */
const verifyAnswerSchema = z.object({
  index: z.int().min(0),
  /** Hash of the token in question ({@link tokenHash}): an answer to another question is no answer. */
  tokenHash: z.string(),
  verdict: z.unknown().optional(),
  failure: failureSchema.optional(),
});

/** Several of these answer a {@link verifyBatchSchema}, each as soon as there is a verdict. Fields of later versions are ignored. */
export const verifyReplySchema = pongSchema.extend({ answers: z.array(verifyAnswerSchema) });

/** The same for services of the previous version, which refuse fields that they do not know. */
export const unnamedAnswersSchema = z.array(verifyAnswerSchema.omit({ tokenHash: true }));

export type InactiveReason = z.infer<typeof inactiveReasonSchema>;
export type Verdict = z.infer<typeof verdictSchema>;
export type VerifyBatch = z.infer<typeof verifyBatchSchema>;
export type VerifyAnswer = z.infer<typeof verifyAnswerSchema>;
export type UnnamedAnswers = z.infer<typeof unnamedAnswersSchema>;
export type VerifyReply = z.infer<typeof verifyReplySchema>;
export type Pong = z.infer<typeof pongSchema>;

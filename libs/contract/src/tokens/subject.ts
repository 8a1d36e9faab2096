import { hash } from 'node:crypto';
import { z } from 'zod';
import { MAX_SUBJECT_LENGTH } from '../limits.js';

/** No control characters, and no halves of a surrogate pair: hashing loses these, and the hash would then name another user. */
const PLAIN_TEXT = /^[^\p{Cc}\p{Cs}]*$/u;

/** A subject as in all messages: a token is accepted only if a revocation can name its user. */
export const subjectSchema = z.string().min(1).max(MAX_SUBJECT_LENGTH).regex(PLAIN_TEXT);

/** Names a subject in keys and messages without revealing it: base64url SHA-256, 43 characters. */
export function subjectKey(subject: string): string {
  return hash('sha256', subject, 'base64url');
}

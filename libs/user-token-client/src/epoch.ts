import { hash } from 'node:crypto';
import { z } from 'zod';

/**
 * The revocation feed. user-token is the only writer: with every denial it sets a new random epoch for the subject
 * and publishes it, in one transaction. Whoever caches a verdict keeps the epoch it was reached under and trusts the
 * entry only while that epoch is current.
 */
export const EPOCH_CHANNEL = 'epoch:v1';

/** Names a subject in keys and messages without giving away who it is: base64url SHA-256, 43 characters. */
export function subjectKey(subject: string): string {
  return hash('sha256', subject, 'base64url');
}

/** Where the current epoch of a subject stands; no such key means `''`, nothing was ever revoked. */
export function epochKey(subject: string): string {
  return epochKeyOf(subjectKey(subject));
}

/** The same by the {@link subjectKey}. */
export function epochKeyOf(key: string): string {
  return `epoch:v1:${key}`;
}

export const epochMessageSchema = z.object({ subjectKey: z.string().length(43), epoch: z.string().min(1) });

/** Message on {@link EPOCH_CHANNEL}, as JSON. */
export type EpochMessage = z.infer<typeof epochMessageSchema>;

/** Reads a message of {@link EPOCH_CHANNEL}; anything else is undefined. */
export function parseEpochMessage(message: string): EpochMessage | undefined {
  try {
    return epochMessageSchema.safeParse(JSON.parse(message)).data;
  } catch {
    return undefined;
  }
}

import { hash } from 'node:crypto';
import { z } from 'zod';

/*
 * The revocation feed. user-token is the only writer: with every denial it sets a new random epoch for the subject
 * and publishes it, in one transaction. A cache keeps each verdict with the epoch of its time and trusts the
 * entry only while that epoch is current.
 */

/** Names a subject in keys and messages without revealing it: base64url SHA-256, 43 characters. */
export function subjectKey(subject: string): string {
  return hash('sha256', subject, 'base64url');
}

export const epochMessageSchema = z.object({ subjectKey: z.string().length(43), epoch: z.string().min(1) });

/** Message of the feed, as JSON. */
export type EpochMessage = z.infer<typeof epochMessageSchema>;

/** Reads a message of the feed; returns undefined for anything else. */
export function parseEpochMessage(message: string): EpochMessage | undefined {
  try {
    return epochMessageSchema.safeParse(JSON.parse(message)).data;
  } catch {
    return undefined;
  }
}

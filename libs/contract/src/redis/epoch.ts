import { z } from 'zod';

/*
 * The revocation feed. user-token is the only writer: with every denial it sets a new random epoch for the subject
 * and publishes it, in one transaction. A cache keeps each verdict with the epoch of its time and trusts the
 * entry only while that epoch is current.
 */

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

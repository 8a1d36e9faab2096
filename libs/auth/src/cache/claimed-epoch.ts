import { claimedSubject, epochKeyOf, issuedTokenSubjectKey, subjectKey } from '@app/contract';

/** The user that a token claims, unverified: only for reading the user's epoch together with a cache entry. */
export interface ClaimedEpoch {
  /** Undefined where the token names no user in clear text. */
  readonly subject: string | undefined;
  readonly epochKey: string;
}

/** @returns undefined for a token that is opaque to us */
export function claimedEpochOf(token: string): ClaimedEpoch | undefined {
  const subject = claimedSubject(token);
  const key = subject === undefined ? issuedTokenSubjectKey(token) : subjectKey(subject);
  return key === undefined ? undefined : { subject, epochKey: epochKeyOf(key) };
}

import { randomBytes } from 'node:crypto';
import { subjectKey } from './epoch.js';

export type IssuedTokenKind = 'access' | 'refresh';

/** 256 bits; RFC 6749 section 10.10 asks for 160 at the best. */
const RANDOM_BYTES = 32;
const PREFIX: Readonly<Record<IssuedTokenKind, string>> = { access: 'vat-', refresh: 'vrt-' };
const ISSUED = /^v[ar]t-([A-Za-z0-9_-]{43})[A-Za-z0-9_-]{43}$/;

/**
 * A new token for a registered client. Nothing can be read from it but whose revocations concern it: after its prefix it names
 * the {@link subjectKey}, so that a service can read the token's entry and that user's epoch in one round trip, and then
 * 256 random bits.
 */
export function newIssuedToken(kind: IssuedTokenKind, subject: string): string {
  return `${PREFIX[kind]}${subjectKey(subject)}${randomBytes(RANDOM_BYTES).toString('base64url')}`;
}

/** Which token of {@link newIssuedToken} this could be by its form; undefined for all others. */
export function issuedTokenKind(token: string): IssuedTokenKind | undefined {
  if (!ISSUED.test(token)) return undefined;
  return token.startsWith(PREFIX.access) ? 'access' : 'refresh';
}

/** The {@link subjectKey} of whom this token claims to speak for; undefined for a token that is not ours. */
export function issuedTokenSubjectKey(token: string): string | undefined {
  return ISSUED.exec(token)?.[1];
}

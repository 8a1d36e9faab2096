import { randomBytes } from 'node:crypto';
import { subjectKey } from './subject.js';

export type IssuedTokenKind = 'access' | 'refresh';

/** 256 bits; RFC 6749 section 10.10 recommends 160. */
const RANDOM_BYTES = 32;
const PREFIX: Readonly<Record<IssuedTokenKind, string>> = { access: 'vat-', refresh: 'vrt-' };
const ISSUED = /^v[ar]t-([A-Za-z0-9_-]{43})[A-Za-z0-9_-]{43}$/;

/**
 * A new token for a registered client. It reveals only whose revocations concern it: after its prefix come the
 * {@link subjectKey}, so that a service can read the token's entry and that user's epoch in one round trip, and then
 * 256 random bits.
 */
export function newIssuedToken(kind: IssuedTokenKind, subject: string): string {
  return `${PREFIX[kind]}${subjectKey(subject)}${randomBytes(RANDOM_BYTES).toString('base64url')}`;
}

/** Kind of {@link newIssuedToken} that this token has by its form; undefined for all others. */
export function issuedTokenKind(token: string): IssuedTokenKind | undefined {
  if (!ISSUED.test(token)) return undefined;
  return token.startsWith(PREFIX.access) ? 'access' : 'refresh';
}

/** The {@link subjectKey} that this token claims; undefined for a token that is not ours. */
export function issuedTokenSubjectKey(token: string): string | undefined {
  return ISSUED.exec(token)?.[1];
}

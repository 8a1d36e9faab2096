import { hash } from 'node:crypto';
import type { CanonicalToken } from '../tokens/canonical-token.js';
import { claimedSubject } from '../tokens/claimed-subject.js';
import { issuedTokenSubjectKey } from '../tokens/issued-token.js';
import { subjectKey } from '../tokens/subject.js';
import { tokenHash } from '../tokens/token-hash.js';

/*
 * Every key and channel in Redis, as the services name them; `libs/redis` puts the prefix of the deployment before each, and the
 * number of the database behind a channel (ADR 10). Keys that are written together carry the tag of their user, `{...}`, so that a
 * Redis Cluster puts them on one node; keys that are only read, or written alone, have no tag and spread.
 */

/** Channel of the revocation feed. */
export const EPOCH_CHANNEL = 'epoch:v1';

/**
 * Key by which user-token states that the store holds all revocations it knows. Redis can come back with older data: restarted from
 * a snapshot, flushed, or replaced by a copy. Then this value is missing, or names another server, until user-token has written
 * back what it knows and given the store a new generation. A cached entry in Redis is sealed under the generation of its time,
 * and counts in no other.
 */
export const GENERATION_KEY = 'generation:v1';

/** Cache entry of a token, by its hash: the token itself is stored nowhere. */
export const principalKey = (token: CanonicalToken) => `tok:v2:${tokenHash(token)}`;

/** Current epoch of a subject; no such key means `''`: nothing was ever revoked. */
export const epochKey = (subject: string) => epochKeyOf(subjectKey(subject));

/** The same by the {@link subjectKey}. */
export const epochKeyOf = (key: string) => `epoch:v2:${tagOf(key)}:${key}`;

/** Everything below it is read at the start of a user-token. */
export const DENIAL_PREFIX = 'deny:v3:';
export const tokenDenialKey = (of: string, tokenId: string) =>
  `${DENIAL_PREFIX}${tagOf(of)}:token:${tokenId}`;
export const subjectDenialKey = (of: string) => `${DENIAL_PREFIX}${tagOf(of)}:subject:${of}`;
export const admissionKey = (tokenId: string) => `${DENIAL_PREFIX}admitted:${tokenId}`;

/** Journal of the last announcements of denials, for a user-token that missed some. */
export const DENIAL_JOURNAL_KEY = 'denial-journal:v1';

/** @param credential its {@link credentialId} */
export const sessionKey = (credential: string) => `session:v3:${ofCredential(credential)}`;
export const sessionLockKey = (credential: string) => `lock:v2:${ofCredential(credential)}`;
export const sessionEntryKey = (of: string, sessionId: string) =>
  `session-entry:v2:${tagOf(of)}:${sessionId}`;
export const sessionListKey = (of: string) => `sessions:v2:${tagOf(of)}:${of}`;
export const issuedTokenKey = (of: string, tokenId: string) => `issued:v2:${tagOf(of)}:${tokenId}`;

export const userinfoKey = (tokenId: string) => `userinfo:v1:${tokenId}`;
export const userinfoLockKey = (tokenId: string) => `${userinfoKey(tokenId)}:asking`;
export const firstSightKey = (tokenId: string) => `first-sight:v1:${tokenId}`;
export const UNKNOWN_TOKENS_KEY = 'unknown-tokens:v1';

/** @param digest base64url SHA-256 of the counted name */
export const attemptsKey = (of: 'account' | 'address', digest: string) => `attempts:v1:${of}:${digest}`;
/** Attempts that are not decided yet. */
export const heldAttemptsKey = (of: 'account' | 'address', digest: string) =>
  `attempts-held:v1:${of}:${digest}`;

/** All registered clients. */
export const CLIENTS_KEY = 'clients:v2';

const FORMER_DENIAL_PREFIX = 'deny:v2:';

/**
 * Names of versions without prefixes and tags, for `formerName`. They are read, and log-outs are also written under them, as long as
 * data of these versions may live.
 */
export const former = {
  EPOCH_CHANNEL,
  /** Every reliable one of those versions has set it. */
  GENERATION_KEY,
  epochKeyOf: (key: string) => `${EPOCH_CHANNEL}:${key}`,
  DENIAL_PREFIX: FORMER_DENIAL_PREFIX,
  tokenDenialKey: (tokenId: string) => `${FORMER_DENIAL_PREFIX}token:${tokenId}`,
  subjectDenialKey: (of: string) => `${FORMER_DENIAL_PREFIX}subject:${of}`,
  admissionKey: (tokenId: string) => `${FORMER_DENIAL_PREFIX}admitted:${tokenId}`,
  sessionKey: (credential: string) => `session:v2:${hashIn(credential)}`,
  sessionLockKey: (credential: string) => `lock:v1:${hashIn(credential)}`,
  sessionEntryKey: (sessionId: string) => `session-entry:v1:${sessionId}`,
  sessionListKey: (of: string) => `sessions:v1:${of}`,
  issuedTokenKey: (tokenId: string) => `issued:v1:${tokenId}`,
  firstSightKey,
  CLIENTS_KEY,
  /** One key for each client, before {@link CLIENTS_KEY} existed. */
  CLIENT_PREFIX: 'client:v1:',
} as const;

/** For `openStore`. No session lives longer than this, whatever SESSION_IDLE_SECONDS says. */
export const FORMER_NAMES = {
  signs: [former.GENERATION_KEY, former.CLIENTS_KEY],
  keepMs: 366 * 24 * 3600 * 1000,
} as const;

/** Characters of a subject's key that make its tag: 18 bits, far more than there are slots, and far too few to identify a user. */
const TAG_LENGTH = 3;

function tagOf(key: string): string {
  return `{${key.slice(0, TAG_LENGTH)}}`;
}

/**
 * Names a credential without revealing it: a tag and its base64url SHA-256. The tag is that of the user that the credential claims;
 * for a credential that names no user, it comes from the hash.
 */
export function credentialId(credential: string): string {
  const digest = hash('sha256', credential, 'base64url');
  const subject = claimedSubject(credential);
  const key = subject === undefined ? issuedTokenSubjectKey(credential) : subjectKey(subject);
  return `${(key ?? digest).slice(0, TAG_LENGTH)}.${digest}`;
}

/** Whether a {@link credentialId} comes from a version without tags. */
export function isFormerCredentialId(credential: string): boolean {
  return credential[TAG_LENGTH] !== '.';
}

function ofCredential(credential: string): string {
  return `${tagOf(credential)}:${hashIn(credential)}`;
}

function hashIn(credential: string): string {
  return isFormerCredentialId(credential) ? credential : credential.slice(TAG_LENGTH + 1);
}

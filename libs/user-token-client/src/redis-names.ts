import { hash } from 'node:crypto';
import { claimedSubject } from './claimed-subject.js';
import { subjectKey } from './epoch.js';
import { issuedTokenSubjectKey } from './issued-token.js';

/*
 * Every key and channel in Redis, as the services name them; `libs/redis` puts the prefix of the deployment before each, and the
 * number of the database behind a channel (ADR 10). What is written together carries the tag of its user, `{...}`, by which a Redis
 * Cluster puts it on one node; what is only read, or written by itself, has none and spreads.
 */

/** Where the revocation feed is published. */
export const EPOCH_CHANNEL = 'epoch:v1';

/**
 * Where user-token says that all it knows to be revoked is in the store. Redis can come back older than it was: restarted from a
 * snapshot, flushed, or replaced by a copy. Then this value is missing, or names another server, until user-token has written
 * back what it knows and given the store a new generation. An entry that is cached in Redis is sealed under the generation
 * that it was written in, and counts in no other.
 */
export const GENERATION_KEY = 'generation:v1';

/** Where what is known of a token is cached. @param tokenHash base64url SHA-256 of the token */
export const principalKey = (tokenHash: string) => `tok:v2:${tokenHash}`;

/** Where the current epoch of a subject stands; no such key means `''`, nothing was ever revoked. */
export const epochKey = (subject: string) => epochKeyOf(subjectKey(subject));

/** The same by the {@link subjectKey}. */
export const epochKeyOf = (key: string) => `epoch:v2:${tagOf(key)}:${key}`;

/** Everything below it is read when a user-token starts. */
export const DENIAL_PREFIX = 'deny:v3:';
export const tokenDenialKey = (of: string, tokenId: string) =>
  `${DENIAL_PREFIX}${tagOf(of)}:token:${tokenId}`;
export const subjectDenialKey = (of: string) => `${DENIAL_PREFIX}${tagOf(of)}:subject:${of}`;
export const admissionKey = (tokenId: string) => `${DENIAL_PREFIX}admitted:${tokenId}`;

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

/** @param digest base64url SHA-256 of what is counted */
export const attemptsKey = (of: 'account' | 'address', digest: string) => `attempts:v1:${of}:${digest}`;
/** Those that are not decided yet. */
export const heldAttemptsKey = (of: 'account' | 'address', digest: string) =>
  `attempts-held:v1:${of}:${digest}`;

/** All registered clients. */
export const CLIENTS_KEY = 'clients:v2';

/**
 * Names of versions that put no prefix before them and knew no tags, for `formerName`. They are read, and log-outs written under them
 * as well, for as long as something may live that was written then.
 */
export const former = {
  EPOCH_CHANNEL: 'epoch:v1',
  /** Every one of those versions that could be relied on has set it. */
  GENERATION_KEY: 'generation:v1',
  epochKeyOf: (key: string) => `epoch:v1:${key}`,
  DENIAL_PREFIX: 'deny:v2:',
  tokenDenialKey: (tokenId: string) => `deny:v2:token:${tokenId}`,
  subjectDenialKey: (of: string) => `deny:v2:subject:${of}`,
  admissionKey: (tokenId: string) => `deny:v2:admitted:${tokenId}`,
  sessionKey: (credential: string) => `session:v2:${hashIn(credential)}`,
  sessionLockKey: (credential: string) => `lock:v1:${hashIn(credential)}`,
  sessionEntryKey: (sessionId: string) => `session-entry:v1:${sessionId}`,
  sessionListKey: (of: string) => `sessions:v1:${of}`,
  issuedTokenKey: (tokenId: string) => `issued:v1:${tokenId}`,
  firstSightKey,
  CLIENTS_KEY,
  /** One each, before there was {@link CLIENTS_KEY}. */
  CLIENT_PREFIX: 'client:v1:',
} as const;

/** For `openStore`. No session is left for longer than this, whatever SESSION_IDLE_SECONDS says. */
export const FORMER_NAMES = {
  signs: [former.GENERATION_KEY, former.CLIENTS_KEY],
  keepMs: 366 * 24 * 3600 * 1000,
} as const;

/** Characters of a subject's key that make its tag: 18 bits, far more than there are slots, and far too few to name anybody. */
const TAG_LENGTH = 3;

function tagOf(key: string): string {
  return `{${key.slice(0, TAG_LENGTH)}}`;
}

/**
 * Names a credential without giving it away: a tag and its base64url SHA-256. The tag is that of the user whom the credential claims to
 * speak for; of one that tells nobody, it comes from the hash.
 */
export function credentialId(credential: string): string {
  const digest = hash('sha256', credential, 'base64url');
  const subject = claimedSubject(credential);
  const key = subject === undefined ? issuedTokenSubjectKey(credential) : subjectKey(subject);
  return `${(key ?? digest).slice(0, TAG_LENGTH)}.${digest}`;
}

/** Whether a {@link credentialId} comes from a version that knew no tags. */
export function isFormerCredentialId(credential: string): boolean {
  return credential[TAG_LENGTH] !== '.';
}

function ofCredential(credential: string): string {
  return `${tagOf(credential)}:${hashIn(credential)}`;
}

function hashIn(credential: string): string {
  return isFormerCredentialId(credential) ? credential : credential.slice(TAG_LENGTH + 1);
}

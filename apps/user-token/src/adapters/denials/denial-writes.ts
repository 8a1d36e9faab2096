import { randomBytes } from 'node:crypto';
import { formerName, type Write } from '@app/store';
import { DENIAL_JOURNAL_KEY, EPOCH_CHANNEL, epochKeyOf, former } from '@app/contract';
import { denialKey, formerDenialKey, retainedUntilMs, type Admission, type Denial } from './denial.js';
import { JOURNAL_LENGTH } from './denial-journal.js';

/** Life of an epoch after its last change: far longer than any cache entry from before that change may live. */
const EPOCH_TTL_MS = 7 * 24 * 3600 * 1000;

/**
 * The writes that store and announce denials of one subject, with a new epoch, so that no cached verdict survives. Guards and
 * user-tokens of versions without prefixes, if there are any, find and hear of them under their names.
 */
export function writesOf(denials: readonly Denial[], nowMs: number): Write[] {
  const entryId = randomBytes(9).toString('base64url');
  const sets = denials.flatMap((denial): Write[] => {
    const ttlMs = Math.max(1, retainedUntilMs(denial) - nowMs);
    const value = JSON.stringify(denial);
    return [denialKey(denial), formerDenialKey(denial)].map((key) => ({ op: 'set', key, value, ttlMs }));
  });
  const [denial] = denials.filter(isOfSubject);
  if (!denial) return [...sets, ...announcements({ denials, entryId })];
  const { subjectKey } = denial;
  const epoch = randomBytes(16).toString('base64url');
  const places = [epochKeyOf(subjectKey), formerName(former.epochKeyOf(subjectKey))];
  return [
    ...sets,
    ...places.map((key): Write => ({ op: 'set', key, value: epoch, ttlMs: EPOCH_TTL_MS })),
    ...announcements({ subjectKey, epoch, denials, entryId }),
  ];
}

function isOfSubject(denial: Denial): denial is Exclude<Denial, Admission> {
  return 'subjectKey' in denial;
}

function announcements(content: object): Write[] {
  const message = JSON.stringify(content);
  const channels = [EPOCH_CHANNEL, formerName(former.EPOCH_CHANNEL)];
  return [
    { op: 'append', key: DENIAL_JOURNAL_KEY, value: message, max: JOURNAL_LENGTH },
    ...channels.map((channel): Write => ({ op: 'publish', channel, message })),
  ];
}

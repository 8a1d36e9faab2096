import { randomBytes } from 'node:crypto';
import { formerName, type Write } from '@app/store';
import { EPOCH_CHANNEL, epochKeyOf, former } from '@app/contract';
import { denialKey, formerDenialKey, retainedUntilMs, type Admission, type Denial } from './denial.js';

/**
 * How long an epoch outlives its last change. It has to outlive every cache entry that was made before that change, so it
 * exceeds any sensible cache life by far.
 */
const EPOCH_TTL_MS = 7 * 24 * 3600 * 1000;

/**
 * What it takes to store denials of one subject and to announce them: with a new epoch, so that no cached verdict survives. Guards
 * and user-tokens of versions that put no prefix before names, if there are any, find and hear of them where they look.
 */
export function writesOf(denials: readonly Denial[], nowMs: number): Write[] {
  const sets = denials.flatMap((denial): Write[] => {
    const ttlMs = Math.max(1, retainedUntilMs(denial) - nowMs);
    const value = JSON.stringify(denial);
    return [denialKey(denial), formerDenialKey(denial)].map((key) => ({ op: 'set', key, value, ttlMs }));
  });
  const [denial] = denials.filter(isOfSubject);
  if (!denial) return [...sets, ...announcements({ denials })];
  const { subjectKey } = denial;
  const epoch = randomBytes(16).toString('base64url');
  const places = [epochKeyOf(subjectKey), formerName(former.epochKeyOf(subjectKey))];
  return [
    ...sets,
    ...places.map((key): Write => ({ op: 'set', key, value: epoch, ttlMs: EPOCH_TTL_MS })),
    ...announcements({ subjectKey, epoch, denials }),
  ];
}

function isOfSubject(denial: Denial): denial is Exclude<Denial, Admission> {
  return 'subjectKey' in denial;
}

function announcements(content: object): Write[] {
  const message = JSON.stringify(content);
  return [EPOCH_CHANNEL, formerName(former.EPOCH_CHANNEL)].map((channel) => ({
    op: 'publish',
    channel,
    message,
  }));
}

import { randomBytes } from 'node:crypto';
import type { Write } from '@app/redis';
import { EPOCH_CHANNEL, epochKeyOf } from '@app/user-token-client';
import { denialKey, retainedUntilMs, type Admission, type Denial } from './denial.js';

/**
 * How long an epoch outlives its last change. It has to outlive every cache entry that was made before that change, so it
 * exceeds any sensible cache life by far.
 */
const EPOCH_TTL_MS = 7 * 24 * 3600 * 1000;

/** What it takes to store denials of one subject and to announce them: with a new epoch, so that no cached verdict survives. */
export function writesOf(denials: readonly Denial[], nowMs: number): Write[] {
  const sets = denials.map((denial): Write => {
    const ttlMs = Math.max(1, retainedUntilMs(denial) - nowMs);
    return { op: 'set', key: denialKey(denial), value: JSON.stringify(denial), ttlMs };
  });
  const [denial] = denials.filter(isOfSubject);
  if (!denial) return [...sets, announcement({ denials })];
  const { subjectKey } = denial;
  const epoch = randomBytes(16).toString('base64url');
  return [
    ...sets,
    { op: 'set', key: epochKeyOf(subjectKey), value: epoch, ttlMs: EPOCH_TTL_MS },
    announcement({ subjectKey, epoch, denials }),
  ];
}

function isOfSubject(denial: Denial): denial is Exclude<Denial, Admission> {
  return 'subjectKey' in denial;
}

function announcement(message: object): Write {
  return { op: 'publish', channel: EPOCH_CHANNEL, message: JSON.stringify(message) };
}

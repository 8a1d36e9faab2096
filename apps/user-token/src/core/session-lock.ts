import { setTimeout as delay } from 'node:timers/promises';
import { UpstreamUnavailable } from './authorization-server.js';
import type { SessionLock, Sessions } from './sessions.js';

const POLL_MS = 25;

/** How a caller waits for the exclusive right to change a session. */
export interface Waiting<T> {
  readonly waitMs: number;
  /** Asked before each try; a value ends the waiting without the lock. */
  readonly meanwhile?: () => Promise<T | undefined>;
}

/**
 * Does `work` while nobody else, on any replica, refreshes or ends the session under this credential.
 *
 * @throws {UpstreamUnavailable} when somebody else holds the session for longer than `waitMs`
 */
export async function whileHolding<T>(
  sessions: Sessions,
  credentialId: string,
  { waitMs, meanwhile }: Waiting<T>,
  work: (lock: SessionLock) => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + waitMs;
  do {
    const settled = await meanwhile?.();
    if (settled !== undefined) return settled;
    const lock = await sessions.lock(credentialId);
    if (lock) return work(lock).finally(() => lock.release());
    await delay(POLL_MS);
  } while (performance.now() < deadline);
  throw new UpstreamUnavailable('another request is refreshing or ending this session and takes too long', 1);
}

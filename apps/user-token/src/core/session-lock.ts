import { Busy } from './busy.js';
import { credentialId, credentialOf, type Session, type SessionLock, type Sessions } from './sessions.js';

/** How a caller waits for the exclusive right to change a session. */
export interface Waiting<T> {
  readonly waitMs: number;
  /** Asked before each try; a value ends the waiting without the lock. */
  readonly meanwhile?: () => Promise<T | undefined>;
}

/** A session that is open, and that only the holder of the lock may change. */
export interface HeldSession {
  readonly credential: string;
  readonly session: Session;
  readonly lock: SessionLock;
}

/**
 * Does `work` while nobody else, on any replica, refreshes or ends the session under this credential.
 *
 * @throws {Busy} when somebody else holds the session for longer than `waitMs`
 */
export async function whileHolding<T>(
  sessions: Sessions,
  credentialId: string,
  { waitMs, meanwhile }: Waiting<T>,
  work: (lock: SessionLock) => Promise<T>,
): Promise<T> {
  let settled: T | undefined;
  const unless = async () => (settled = await meanwhile?.()) !== undefined;
  const lock = await sessions.lock(credentialId, { waitMs, unless });
  if (lock) return work(lock).finally(() => lock.release());
  if (settled !== undefined) return settled;
  throw new Busy('another request is refreshing or ending this session and takes too long');
}

/**
 * The same for the session that this credential opens or once opened, under whatever credential it is now.
 *
 * @returns undefined when the credential does not lead to a session
 * @throws {Busy} when somebody else holds the session for longer than `waitMs`
 */
export async function whileHoldingCurrent<T>(
  sessions: Sessions,
  formerOrCurrent: string,
  waiting: { readonly waitMs: number },
  work: (held: HeldSession) => Promise<T>,
): Promise<T | undefined> {
  let credential = formerOrCurrent;
  for (;;) {
    const state = await sessions.find(credential);
    if (!state) return undefined;
    if (state.kind === 'refreshed') {
      credential = credentialOf(state.token);
      continue;
    }
    const current = credential;
    const worked = await whileHolding(sessions, credentialId(current), waiting, async (lock) => {
      // Nobody refreshes this session now, but somebody may have while the lock was waited for.
      const now = await sessions.find(current);
      if (now?.kind !== 'open') return undefined;
      return { result: await work({ credential: current, session: now.session, lock }) };
    });
    if (worked) return worked.result;
  }
}

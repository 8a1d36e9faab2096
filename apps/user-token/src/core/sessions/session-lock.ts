import { Busy } from '../busy.js';
import { credentialId, credentialOf, type Session, type SessionLock, type Sessions } from './sessions.js';

/** A caller's wait for the exclusive right to change a session. */
export interface Waiting<T> {
  readonly waitMs: number;
  /** Runs before each try. A value ends the wait without the lock. */
  readonly meanwhile?: () => Promise<T | undefined>;
}

/** An open session that only the holder of the lock may change. */
export interface HeldSession {
  readonly credential: string;
  readonly session: Session;
  readonly lock: SessionLock;
}

/**
 * Does `work` while no other request, on any replica, refreshes or ends the session under this credential.
 *
 * @throws {Busy} when another request holds the session for longer than `waitMs`
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
 * The same for the session that this credential opens or once opened, under its present credential.
 *
 * @returns undefined when the credential does not lead to a session
 * @throws {Busy} when another request holds the session for longer than `waitMs`
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
      // A refresh may have come before the lock.
      const now = await sessions.find(current);
      if (now?.kind !== 'open') return undefined;
      return { result: await work({ credential: current, session: now.session, lock }) };
    });
    if (worked) return worked.result;
  }
}

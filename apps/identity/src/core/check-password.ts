import type { CredentialCheck, Credentials } from './credential-check.js';
import type { User } from './directory.js';
import { Refused } from './refusal.js';

/** One log-in attempt, for the log. */
export interface LoginAttempt {
  readonly outcome: 'success' | 'failure';
  readonly clientId: string;
  /** Only for an attempt with the right password. */
  readonly userId?: string;
  /** The end user's address, as a trusted client names it; otherwise the peer's. */
  readonly address: string;
}

export interface PasswordCheck {
  readonly credentialCheck: CredentialCheck;
  readonly onAttempt: (attempt: LoginAttempt) => void;
}

/**
 * Finds the user of these credentials, and reports the attempt.
 *
 * @throws {Refused} for wrong credentials or a blocked user
 */
export async function checkPassword(
  { credentialCheck, onAttempt }: PasswordCheck,
  credentials: Credentials,
  by: Pick<LoginAttempt, 'clientId' | 'address'>,
): Promise<User> {
  const verdict = await credentialCheck.check(credentials);
  if (!verdict.ok) {
    onAttempt({ ...by, outcome: 'failure' });
    throw new Refused({ reason: 'credentials_wrong' });
  }
  const { userId, blocked } = verdict.user;
  onAttempt({ ...by, outcome: blocked ? 'failure' : 'success', userId });
  // Only after the right password: otherwise it would reveal which accounts exist.
  if (blocked) throw new Refused({ reason: 'user_blocked' });
  return verdict.user;
}

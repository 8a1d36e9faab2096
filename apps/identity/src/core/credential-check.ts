import type { User } from './directory.js';

export interface Credentials {
  /** The user's exact input: an e-mail address. */
  readonly username: string;
  /** The user's exact input: never trimmed, normalised or cut. */
  readonly password: string;
  /** Where the user is: one of the directory's realms. */
  readonly realm: string;
}

/** Unknown user and wrong password get the same answer, so that a client cannot distinguish them. */
export type CredentialVerdict = { readonly ok: true; readonly user: User } | { readonly ok: false };

/**
 * Decides whether a password is right. The default adapter is the seed file; another one can ask a directory.
 *
 * An adapter must take as long for an unknown user as for a wrong password. It says nothing about `blocked`: the
 * grant checks that flag after a right password. An unreachable directory is an exception.
 */
export abstract class CredentialCheck {
  abstract check(credentials: Credentials): Promise<CredentialVerdict>;
}

/** Finds a user again by the `sub` of a token: for refresh, ID token and `/userinfo`. */
export abstract class UserDirectory {
  abstract find(userId: string): Promise<User | undefined>;
}

import type { User } from './directory.js';

export interface Credentials {
  /** As the user typed it: an e-mail address. */
  readonly username: string;
  /** As the user typed it: never trimmed, normalised or cut. */
  readonly password: string;
  /** Name of the connection to look in. */
  readonly realm: string;
}

/** Unknown user and wrong password are one answer, so that nobody can tell them apart. */
export type CredentialVerdict = { readonly ok: true; readonly user: User } | { readonly ok: false };

/**
 * Decides whether a password is right. The default adapter is the seed file; another one can ask a directory.
 *
 * An adapter must take as long for an unknown user as for a wrong password. It says nothing about `blocked`: the
 * grant looks at that flag once the password has proved right. A directory that cannot be reached is an exception.
 */
export abstract class CredentialCheck {
  abstract check(credentials: Credentials): Promise<CredentialVerdict>;
}

/** Finds a user again by the `sub` of a token: for refresh, ID token and `/userinfo`. */
export abstract class UserDirectory {
  abstract find(userId: string): Promise<User | undefined>;
}

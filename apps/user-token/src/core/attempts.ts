/** Whose attempt it is. */
export interface Attempter {
  readonly username: string;
  /** Address of the end user, where it is known. */
  readonly clientAddress?: string | undefined;
}

/** An attempt that was counted before its outcome was known. */
export interface Attempt {
  /** The password was right: the failures of this account are forgotten. */
  succeeded(): Promise<void>;
  /** Nobody learnt whether the password was right: as if it had not been made. */
  undecided(): Promise<void>;
}

/**
 * How often a password may be guessed. An attempt is counted before the authorization server is asked, so that no number of them
 * in parallel gets past the limit.
 */
export abstract class Attempts {
  /**
   * @returns the attempt, or how long to wait in seconds
   * @throws {StoreUnavailable} when it could not be counted; it must not be made then
   */
  abstract begin(attempter: Attempter): Promise<Attempt | { readonly retryAfterSeconds: number }>;
}

/** Whose attempt it is. */
export interface Attempter {
  readonly username: string;
  /** Address of the end user, where it is known. */
  readonly clientAddress?: string | undefined;
  /** Connection that the attempt names: two of them may hold different accounts of one name. */
  readonly realm?: string | undefined;
}

/** An attempt whose outcome is not known yet. It has to be told one of these, once. */
export interface Attempt {
  /**
   * False once it was under way for so long that its place may be somebody else's: what it found out must be kept from who made it,
   * for it may be one guess too many.
   */
  readonly counts: boolean;
  /** The password was right: the failures of this account are forgotten. */
  succeeded(): Promise<void>;
  /**
   * The password was wrong, or might be.
   *
   * @throws {StoreUnavailable} when that could not be counted; it must not be told then
   */
  failed(): Promise<void>;
  /** Nobody learnt whether the password was right: as if it had not been made. */
  undecided(): Promise<void>;
}

/**
 * How often a password may be guessed. An attempt takes a place before the authorization server is asked, so that no number of them in
 * parallel gets past the limit; only one that failed keeps it.
 */
export abstract class Attempts {
  /**
   * Waits a while for others that are undecided.
   *
   * @returns the attempt, or how long to wait in seconds: a few while others are undecided, the rest of the window after so many failures
   * @throws {StoreUnavailable} when it could not be counted; it must not be made then
   */
  abstract begin(attempter: Attempter): Promise<Attempt | { readonly retryAfterSeconds: number }>;
}

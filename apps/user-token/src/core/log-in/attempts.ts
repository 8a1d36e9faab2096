/** The account and the place that an attempt counts for. */
export interface Attempter {
  readonly username: string;
  /** Address of the end user; absent where it is unknown. */
  readonly clientAddress?: string | undefined;
  /** Connection that the attempt names: two connections may hold different accounts of one name. */
  readonly realm?: string | undefined;
}

/** An attempt without an outcome so far. Its maker reports one outcome, once. */
export interface Attempt {
  /**
   * False once the attempt has taken so long that another may have its place. Its maker then must not learn the answer, which may be
   * one guess too many.
   */
  readonly counts: boolean;
  /** The password was right: the account starts again without failures. */
  succeeded(): Promise<void>;
  /**
   * The password was wrong, or might be.
   *
   * @throws {StoreUnavailable} without a count; the caller then must not learn the answer
   */
  failed(): Promise<void>;
  /** The answer said nothing about the password: the attempt does not count. */
  undecided(): Promise<void>;
}

/**
 * The limit on guesses of a password. An attempt takes a place before its question to the authorization server, so that no number of
 * attempts in parallel passes the limit. Only a failed attempt keeps its place.
 */
export abstract class Attempts {
  /**
   * Waits a while for undecided attempts.
   *
   * @returns the attempt, or the wait in seconds: a few while others are undecided, the rest of the window after too many failures
   * @throws {StoreUnavailable} without a count; the caller then must not ask
   */
  abstract begin(attempter: Attempter): Promise<Attempt | { readonly retryAfterSeconds: number }>;
}

/** A token that is refused although its issuer would still honour it. */
export interface DeniedToken {
  /** {@link tokenId} of it. */
  readonly tokenId: string;
  /** When it would have expired; a denial is kept until then. */
  readonly expiresAtSeconds: number;
}

export interface DenialStatus {
  readonly denied: boolean;
  /** Epoch of the subject, '' when none was ever set, null when it could not be read. */
  readonly epoch: string | null;
}

/** What a denial is looked up by. */
export interface TokenFacts {
  readonly subject: string;
  readonly tokenId: string;
  /** `iat` of the token. */
  readonly issuedAtSeconds: number;
}

/** Neither the store nor a complete local copy could tell whether a token was denied. */
export class DenialsUnknown extends Error {
  constructor(options?: { cause?: unknown }) {
    super('whether the token was revoked is not known while Redis is away', options);
    this.name = 'DenialsUnknown';
  }
}

/** What was revoked: the only place that knows. */
export abstract class Denials {
  /** @throws {DenialsUnknown} */
  abstract status(token: TokenFacts): Promise<DenialStatus>;

  /**
   * Denies tokens of a subject, sets a new epoch and announces it: all of it or nothing.
   *
   * @throws {StoreUnavailable} when the denial could not be written, and then nothing has changed
   */
  abstract deny(subject: string, tokens: readonly DeniedToken[]): Promise<void>;

  /**
   * Denies every token that was issued to a subject until now, the current second included.
   *
   * @throws {StoreUnavailable} when the denial could not be written, and then nothing has changed
   */
  abstract denySubject(subject: string): Promise<void>;
}

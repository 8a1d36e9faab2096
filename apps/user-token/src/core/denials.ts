import { isJwt, issuedTokenKind } from '@app/contract';
import { tokenId } from './token-id.js';

/** Auth0's upper bound for the life of an API's access token: 30 days. */
export const MAX_TOKEN_LIFETIME_SECONDS = 2_592_000;

/** A token that is refused although its issuer would still honour it. */
export interface DeniedToken {
  /** {@link tokenId} of it. */
  readonly tokenId: string;
  /** When it would have expired; a denial is kept until then. */
  readonly expiresAtSeconds: number;
}

export interface DenialStatus {
  readonly denied: boolean;
  /** Names the denial of its whole subject that is in force, whether it applies to this token or not. */
  readonly subjectDenial?: number | undefined;
  /** Granted just now, but by its `iat` of unknown standing to others, until it is admitted. */
  readonly toBeAdmitted?: boolean | undefined;
  /** Epoch of the subject, '' when none was ever set, null when it could not be read. */
  readonly epoch: string | null;
  /** Of the store that the epoch was read from. */
  readonly generation?: string | undefined;
}

/**
 * A token to be denied, whose principal expires at this time. That is the end of a JWT and of a token of ours; an opaque token of the issuer only has to be asked
 * about again then, and is denied for as long as any token can last.
 */
export function deniedToken(accessToken: string, expiresAtSeconds: number): DeniedToken {
  const endsThen = isJwt(accessToken) || issuedTokenKind(accessToken) !== undefined;
  return {
    tokenId: tokenId(accessToken),
    expiresAtSeconds: endsThen ? expiresAtSeconds : Date.now() / 1000 + MAX_TOKEN_LIFETIME_SECONDS,
  };
}

/** What a denial is looked up by. */
export interface TokenFacts {
  readonly subject: string;
  readonly tokenId: string;
  /** `iat` of the token. */
  readonly issuedAtSeconds: number;
  /** The authorization server has given it to us just now: it is later than all that was lost. */
  readonly grantedNow?: boolean | undefined;
}

/** Neither the store nor a complete local copy could tell whether a token was denied. */
export class DenialsUnknown extends Error {
  readonly code = 'denials_unknown';

  constructor(options?: { cause?: unknown }) {
    super('whether the token was revoked is not known: Redis is away, or has lost what it held', options);
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
   * Says of tokens that they were given to us after their subject was denied, so that this denial, and none later, does not apply to
   * them, whatever their `iat`.
   *
   * @param subjectDenial of their {@link DenialStatus}, read before the authorization server was asked for them
   * @throws {StoreUnavailable}
   */
  abstract admit(tokens: readonly DeniedToken[], subjectDenial: number | undefined): Promise<void>;

  /**
   * Denies every token that was issued to a subject until now by a clock that may be ahead of ours: all that could be in force
   * at this moment, and with them those of the next seconds.
   *
   * @throws {StoreUnavailable} when the denial could not be written, and then nothing has changed
   */
  abstract denySubject(subject: string): Promise<void>;
}

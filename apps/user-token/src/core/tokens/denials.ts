import { isJwt, issuedTokenKind } from '@app/contract';
import { tokenId } from './token-id.js';

/** Auth0's upper bound for the life of an API's access token: 30 days. */
export const MAX_TOKEN_LIFETIME_SECONDS = 2_592_000;

/** A token that user-token refuses although its issuer would still honour it. */
export interface DeniedToken {
  /** Its {@link tokenId}. */
  readonly tokenId: string;
  /** Its expiry; the denial lasts until then. */
  readonly expiresAtSeconds: number;
}

export interface DenialStatus {
  readonly denied: boolean;
  /** Names the denial in force of the whole subject, whether it applies to this token or not. */
  readonly subjectDenial?: number | undefined;
  /** The token was granted just now, but its `iat` does not show that to others: it needs an admission. */
  readonly toBeAdmitted?: boolean | undefined;
  /** Epoch of the subject; '' before the first one, null where the store gave no answer. */
  readonly epoch: string | null;
  /** Generation of the store at the time of the epoch. */
  readonly generation?: string | undefined;
}

/**
 * The denial of a token whose principal expires at this time. A JWT and a token of ours end then. An opaque token of the issuer only
 * needs another question then; its denial lasts as long as any token can.
 */
export function deniedToken(accessToken: string, expiresAtSeconds: number): DeniedToken {
  const endsThen = isJwt(accessToken) || issuedTokenKind(accessToken) !== undefined;
  return {
    tokenId: tokenId(accessToken),
    expiresAtSeconds: endsThen ? expiresAtSeconds : Date.now() / 1000 + MAX_TOKEN_LIFETIME_SECONDS,
  };
}

/** The facts that find the denial of a token. */
export interface TokenFacts {
  readonly subject: string;
  readonly tokenId: string;
  /** `iat` of the token. */
  readonly issuedAtSeconds: number;
  /** The authorization server has granted it to us just now: it is later than every lost denial. */
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

/** The revoked tokens: the only place that knows them. */
export abstract class Denials {
  /** @throws {DenialsUnknown} */
  abstract status(token: TokenFacts): Promise<DenialStatus>;

  /**
   * Denies tokens of a subject, sets a new epoch and announces it: all of it or nothing.
   *
   * @throws {StoreUnavailable} and then nothing has changed
   */
  abstract deny(subject: string, tokens: readonly DeniedToken[]): Promise<void>;

  /**
   * Exempts tokens from the denial of their subject, whatever their `iat`: they were granted to us after it. Later denials apply.
   *
   * @param subjectDenial of the {@link DenialStatus} that was read before the question to the authorization server
   * @throws {StoreUnavailable}
   */
  abstract admit(tokens: readonly DeniedToken[], subjectDenial: number | undefined): Promise<void>;

  /**
   * Denies every token of a subject that can be in force at this moment. The issuer's clock may be ahead of ours, so that the denial
   * covers the next seconds as well.
   *
   * @throws {StoreUnavailable} and then nothing has changed
   */
  abstract denySubject(subject: string): Promise<void>;
}

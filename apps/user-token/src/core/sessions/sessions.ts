import { credentialId, type GrantedToken, type Principal } from '@app/contract';
import type { Clock } from '../clock.js';
import { deniedToken, type DeniedToken, type TokenFacts } from '../tokens/denials.js';

/** The device of a log-in: shown to its user, and no evidence of anything. */
export interface Device {
  readonly userAgent?: string | undefined;
  readonly address?: string | undefined;
}

/**
 * A session, kept under its credential: for our own front ends the access token, for a registered client the refresh token of our
 * own.
 */
export interface Session {
  /** Names the session to its user. It opens nothing. */
  readonly id: string;
  readonly subject: string;
  /** OAuth client that the session belongs to; absent for our own front ends. */
  readonly clientId?: string | undefined;
  /** Scopes of the log-in, separated by spaces; a token may carry less. */
  readonly scope: string;
  readonly startedAtSeconds: number;
  /** Last log-in or refresh. */
  readonly usedAtSeconds: number;
  readonly device: Device;
  /** `iat` of the current access token. */
  readonly issuedAtSeconds: number;
  /** Expiry of the current access token. */
  readonly expiresAtSeconds: number;
  /** Upstream refresh token; absent where the authorization server gave none. */
  readonly refreshToken?: string | undefined;
  /** Grant of the last refresh, until it is judged. */
  readonly unjudged?: UnjudgedGrant | undefined;
  /** Unused upstream refresh tokens, of refreshes that others overtook. They are revoked with the session. */
  readonly surplusRefreshTokens?: readonly string[] | undefined;
  /** Access tokens of this session that may be in force, the current one last. */
  readonly accessTokens: readonly DeniedToken[];
}

/** A grant without its refresh token, which the session has already. */
export interface UnjudgedGrant {
  readonly accessToken: string;
  /** Life of the access token from `grantedAtMs` on; 0 where the authorization server does not tell. */
  readonly expiresInSeconds: number;
  /** Granted scopes, separated by spaces. */
  readonly scope: string;
  readonly grantedAtMs: number;
}

/** How long a session may be left without a refresh, and how long it may last. */
export interface SessionLifetimes {
  readonly idleSeconds: number;
  readonly absoluteSeconds: number;
}

/** Sessions of a user at a time: as many as fit into one message, with the longest user agents. */
export const MAX_SESSIONS = 64;

/** A session as its user may see and end it: without the means to refresh it. */
export interface SessionEntry extends Omit<
  Session,
  'refreshToken' | 'unjudged' | 'surplusRefreshTokens' | 'scope'
> {
  readonly credentialId: string;
}

/**
 * `refreshed`: another credential has replaced it. Within the replay window the old credential gets the same new one; later it is
 * reuse. It leads to its session for as long as it could be in force.
 */
export type SessionState =
  | { readonly kind: 'open'; readonly session: Session }
  | {
      readonly kind: 'refreshed';
      readonly subject: string;
      readonly clientId?: string | undefined;
      /** {@link Session.id} */
      readonly sessionId: string;
      readonly token: GrantedToken;
      /** The facts that find the denial of the replaced access token. */
      readonly replaced: TokenFacts;
      /** Expiry of the new access token. */
      readonly expiresAtSeconds: number;
      readonly replayUntilSeconds: number;
      /** Until when a refresh by it counts as reuse. After that it refreshes nothing. */
      readonly reuseUntilSeconds: number;
    };

/** An answer to a client, and the principal to store with it. */
export interface Issued {
  readonly token: GrantedToken;
  /** For an access token of our own, which no signature proves. */
  readonly principal?: Principal | undefined;
}

/** Exclusive right to change a session. A holder that has lost it can write nothing more. */
export interface SessionLock {
  /** False as soon as another may hold it. */
  readonly isInForce: boolean;
  release(): Promise<void>;
}

export { credentialId };

/** The credential of the session that a token answer belongs to. */
export function credentialOf(token: GrantedToken): string {
  return token.refreshToken ?? token.accessToken;
}

/** The rest of a granted access token's life, in whole seconds. A fresh one has all that the issuer says. */
export function leftOf({ expiresInSeconds, grantedAtMs }: UnjudgedGrant, clock: Clock): number {
  const nowMs = clock.nowMs();
  if (nowMs < grantedAtMs + 1000) return expiresInSeconds;
  return Math.max(0, Math.floor(Math.floor(grantedAtMs / 1000) + expiresInSeconds - nowMs / 1000));
}

/** The upstream refresh tokens to revoke at the end of the session. */
export function refreshTokensOf({ refreshToken, surplusRefreshTokens = [] }: Session): readonly string[] {
  return refreshToken === undefined ? surplusRefreshTokens : [refreshToken, ...surplusRefreshTokens];
}

/** Until when the session can be refreshed. */
export function refreshableUntilSeconds(
  { startedAtSeconds, usedAtSeconds }: Session | SessionEntry,
  { idleSeconds, absoluteSeconds }: SessionLifetimes,
): number {
  return Math.min(startedAtSeconds + absoluteSeconds, usedAtSeconds + idleSeconds);
}

/** The holder of a session. */
export interface SessionOwner {
  readonly subject: string;
  /** OAuth client; absent for our own front ends. */
  readonly clientId?: string | undefined;
}

export function ownerOf(state: SessionState): SessionOwner {
  const { subject, clientId } = state.kind === 'open' ? state.session : state;
  return { subject, clientId };
}

/** Whether this is an access token of the session that may be in force. */
export function holds({ accessTokens }: SessionEntry, tokenId: string): boolean {
  return accessTokens.some((token) => token.tokenId === tokenId);
}

/** The facts that find the denial of a session's current access token. */
export function factsOf({ subject, accessTokens, issuedAtSeconds }: Session | SessionEntry): TokenFacts {
  return { subject, tokenId: accessTokens.at(-1)!.tokenId, issuedAtSeconds };
}

/**
 * Sessions, which only their credential opens, and their entries, which the subject of the user opens. Every method rejects with
 * `StoreUnavailable` when the store did not answer or did not take the write.
 */
export abstract class Sessions {
  abstract find(credential: string): Promise<SessionState | undefined>;

  /** The owner of the session that this credential opens, or once opened. */
  async ownerOf(credential: string): Promise<SessionOwner | undefined> {
    const state = await this.find(credential);
    return state && ownerOf(state);
  }

  /** The access tokens to deny at the end of the session of this credential, as far as they are known here. */
  async accessTokensOf(state: SessionState): Promise<readonly DeniedToken[]> {
    if (state.kind === 'open') return state.session.accessTokens;
    // Another tab of the user has refreshed: the session ends with the tokens that it has now.
    const { subject, sessionId, replaced, token, expiresAtSeconds } = state;
    const entry = await this.entry(subject, sessionId);
    return [
      { tokenId: replaced.tokenId, expiresAtSeconds },
      deniedToken(token.accessToken, expiresAtSeconds),
      ...(entry?.accessTokens ?? []),
    ];
  }

  /** @returns false when the credential opens or once opened another session, and then nothing has changed */
  abstract start(issued: Issued, session: Session): Promise<boolean>;
  /**
   * Changes a session under the same credential, but for the data of its entry.
   *
   * @returns false when the lock was lost meanwhile, and then nothing has changed
   */
  abstract update(credential: string, session: Session, lock: SessionLock): Promise<boolean>;
  /**
   * Keeps the next credential of a session from all other sessions.
   *
   * @returns false when it opens or once opened another one
   */
  abstract reserve(credential: string, session: Session): Promise<boolean>;
  /**
   * Moves a session under its new credential, leaves the answer for the old one, and releases the lock.
   *
   * @returns false when the lock was lost meanwhile, and then nothing has changed
   */
  abstract replace(
    credential: string,
    former: Session,
    issued: Issued,
    session: Session,
    lock: SessionLock,
  ): Promise<boolean>;
  /** @returns false when the lock was lost meanwhile, and then nothing has changed */
  abstract end(
    session: Pick<SessionEntry, 'id' | 'subject' | 'credentialId' | 'accessTokens'>,
    lock: SessionLock,
  ): Promise<boolean>;
  /**
   * The end of a session, by the credential that it stands under.
   *
   * @returns false when the lock was lost meanwhile, and then nothing has changed
   */
  endUnder(credential: string, session: Session, lock: SessionLock): Promise<boolean> {
    return this.end({ ...session, credentialId: credentialId(credential) }, lock);
  }

  /** A user's sessions, the last one used first. */
  abstract entriesOf(subject: string): Promise<readonly SessionEntry[]>;
  /** A user's sessions beyond {@link MAX_SESSIONS}: those that were used last longest ago. */
  abstract surplusEntriesOf(subject: string): Promise<readonly SessionEntry[]>;
  abstract entry(subject: string, id: string): Promise<SessionEntry | undefined>;

  /** The session of a user that has the access token of this id. */
  async entryWith(subject: string, tokenId: string): Promise<SessionEntry | undefined> {
    return (await this.entriesOf(subject)).find((entry) => holds(entry, tokenId));
  }

  /**
   * The exclusive right to change the session under this credential.
   *
   * @param wait for another holder; default: none. `unless` runs before each try, and true ends the wait
   * @returns undefined while another has it
   */
  abstract lock(
    credentialId: string,
    wait?: { readonly waitMs: number; readonly unless: () => Promise<boolean> },
  ): Promise<SessionLock | undefined>;
}

import { credentialId, type GrantedToken, type Principal } from '@app/contract';
import type { Clock } from './clock.js';
import { deniedToken, type DeniedToken, type TokenFacts } from './denials.js';

/** Where somebody logged in from; shown to him, believed by nobody. */
export interface Device {
  readonly userAgent?: string | undefined;
  readonly address?: string | undefined;
}

/**
 * What is kept for the holder of a credential: for our own front ends that is the access token, for a registered client the
 * refresh token that we gave it.
 */
export interface Session {
  /** Names the session to its user; opens nothing. */
  readonly id: string;
  readonly subject: string;
  /** OAuth client that the session belongs to; absent for our own front ends. */
  readonly clientId?: string | undefined;
  /** All that was granted at log-in, separated by spaces; a token may carry less. */
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
  /** What the authorization server gave at the last refresh, for as long as it is not known whether it is good. */
  readonly unjudged?: UnjudgedGrant | undefined;
  /** Upstream refresh tokens of refreshes that others overtook; nobody uses them, and they are revoked with the session. */
  readonly surplusRefreshTokens?: readonly string[] | undefined;
  /** Access tokens of this session that may be in force, the current one last. */
  readonly accessTokens: readonly DeniedToken[];
}

/** A grant without its refresh token, which is that of its session already. */
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

/** Sessions that a user may have at a time: as many as fit into one message, however long their user agents are. */
export const MAX_SESSIONS = 64;

/** A session as its user may see and end it: without what it takes to refresh it. */
export interface SessionEntry extends Omit<
  Session,
  'refreshToken' | 'unjudged' | 'surplusRefreshTokens' | 'scope'
> {
  readonly credentialId: string;
}

/**
 * `refreshed`: replaced by another credential. Who presents the old one within the replay window gets the same new one; who
 * presents it later has reused it. It leads to its session for as long as it could be in force itself.
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
      /** What denials of the access token that was replaced are looked up by. */
      readonly replaced: TokenFacts;
      /** Expiry of the new access token. */
      readonly expiresAtSeconds: number;
      readonly replayUntilSeconds: number;
      /** Until when a refresh by it counts as reuse; from then on there is nothing to refresh. */
      readonly reuseUntilSeconds: number;
    };

/** An answer to a client, and what has to be stored with it. */
export interface Issued {
  readonly token: GrantedToken;
  /** Of an access token of our own making, which nobody else can verify. */
  readonly principal?: Principal | undefined;
}

/** Exclusive right to change a session; whoever lost it can write nothing more. */
export interface SessionLock {
  /** False after so long that another holder may have it. */
  readonly isInForce: boolean;
  release(): Promise<void>;
}

export { credentialId };

/** What finds the session that a token answer belongs to. */
export function credentialOf(token: GrantedToken): string {
  return token.refreshToken ?? token.accessToken;
}

/** What is left of the life of a granted access token, in whole seconds: all of it, as the issuer says, while it is fresh. */
export function leftOf({ expiresInSeconds, grantedAtMs }: UnjudgedGrant, clock: Clock): number {
  const nowMs = clock.nowMs();
  if (nowMs < grantedAtMs + 1000) return expiresInSeconds;
  return Math.max(0, Math.floor(Math.floor(grantedAtMs / 1000) + expiresInSeconds - nowMs / 1000));
}

/** Every upstream refresh token that has to be revoked when the session ends. */
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

/** What the denial of a session's current access token is looked up by. */
export function factsOf({ subject, accessTokens, issuedAtSeconds }: Session | SessionEntry): TokenFacts {
  return { subject, tokenId: accessTokens.at(-1)!.tokenId, issuedAtSeconds };
}

/**
 * Sessions, opened by their credential only; the entries of a user's sessions by his subject. Every method rejects with
 * `StoreUnavailable` when the store did not answer or did not take the write.
 */
export abstract class Sessions {
  abstract find(credential: string): Promise<SessionState | undefined>;

  /** Whose session this credential opens, or once opened. */
  async ownerOf(credential: string): Promise<SessionOwner | undefined> {
    const state = await this.find(credential);
    return state && ownerOf(state);
  }

  /** The access tokens that have to be denied when the session of this credential ends, as far as they are known here. */
  async accessTokensOf(state: SessionState): Promise<readonly DeniedToken[]> {
    if (state.kind === 'open') return state.session.accessTokens;
    // Another tab of the user has refreshed: the session is what ends, with the tokens that it has now.
    const { subject, sessionId, replaced, token, expiresAtSeconds } = state;
    const entry = await this.entry(subject, sessionId);
    return [
      { tokenId: replaced.tokenId, expiresAtSeconds },
      deniedToken(token.accessToken, expiresAtSeconds),
      ...(entry?.accessTokens ?? []),
    ];
  }

  /** @returns false when the credential opens another session or has done so, and then nothing has changed */
  abstract start(issued: Issued, session: Session): Promise<boolean>;
  /**
   * Changes what is kept of a session under the same credential, except what its entry shows.
   *
   * @returns false when the lock was lost meanwhile, and then nothing has changed
   */
  abstract update(credential: string, session: Session, lock: SessionLock): Promise<boolean>;
  /**
   * Keeps the next credential of a session from all other sessions.
   *
   * @returns false when it opens another one or has done so
   */
  abstract reserve(credential: string, session: Session): Promise<boolean>;
  /**
   * Moves a session under its new credential, leaves the answer for those who still present the old one, and gives the lock back.
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

  /** A user's sessions, the one used last first. */
  abstract entriesOf(subject: string): Promise<readonly SessionEntry[]>;
  /** Those of a user's sessions that are more than {@link MAX_SESSIONS}: the ones that were used last longest ago. */
  abstract surplusEntriesOf(subject: string): Promise<readonly SessionEntry[]>;
  abstract entry(subject: string, id: string): Promise<SessionEntry | undefined>;

  /** The session of a user that has the access token of this id. */
  async entryWith(subject: string, tokenId: string): Promise<SessionEntry | undefined> {
    return (await this.entriesOf(subject)).find((entry) => holds(entry, tokenId));
  }

  /**
   * The exclusive right to change the session under this credential.
   *
   * @param wait how long to wait for another holder (default: not at all), and what is asked before each try: true ends the waiting
   * @returns undefined while another holder has it
   */
  abstract lock(
    credentialId: string,
    wait?: { readonly waitMs: number; readonly unless: () => Promise<boolean> },
  ): Promise<SessionLock | undefined>;
}

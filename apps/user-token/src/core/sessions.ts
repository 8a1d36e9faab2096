import type { GrantedToken } from '@app/user-token-client';
import type { DeniedToken } from './denials.js';

/** What is kept for the holder of an access token. */
export interface Session {
  readonly subject: string;
  readonly scope: string;
  readonly startedAtSeconds: number;
  /** `iat` of the access token that this session stands under. */
  readonly issuedAtSeconds: number;
  /** Expiry of the access token that this session stands under. */
  readonly expiresAtSeconds: number;
  /** Upstream refresh token; absent where the authorization server gave none. */
  readonly refreshToken?: string | undefined;
  /** Access tokens of this session that were refreshed away and have not expired yet. */
  readonly predecessors: readonly DeniedToken[];
}

/**
 * `refreshed`: replaced by another access token. Who presents the old one within the replay window gets the same new one; who
 * presents it later has reused it.
 */
export type SessionState =
  | { readonly kind: 'open'; readonly session: Session }
  | {
      readonly kind: 'refreshed';
      readonly subject: string;
      /** `iat` of the access token that was replaced. */
      readonly issuedAtSeconds: number;
      readonly token: GrantedToken;
      readonly expiresAtSeconds: number;
      readonly replayUntilSeconds: number;
    };

/** The access token that a refresh replaces. */
export interface Predecessor {
  readonly accessToken: string;
  readonly issuedAtSeconds: number;
}

/** Ends the exclusive right to refresh. */
export type Release = () => Promise<void>;

/**
 * Sessions, found and opened by their access token only. Every method rejects with `StoreUnavailable` when the store did
 * not answer or did not take the write.
 */
export abstract class Sessions {
  abstract find(accessToken: string): Promise<SessionState | undefined>;
  abstract start(accessToken: string, session: Session): Promise<void>;
  /** Moves a session under its new access token and leaves the answer for those who still present the old one. */
  abstract replace(old: Predecessor, token: GrantedToken, session: Session): Promise<void>;
  abstract end(accessToken: string): Promise<void>;
  /** The exclusive right to refresh this session, or undefined while somebody else has it. */
  abstract lock(accessToken: string): Promise<Release | undefined>;
}

import {
  issuedTokenKind,
  type Principal,
  type RefreshTokenInspection,
  type RevokeTokenResult,
} from '@app/contract';
import { nowInSeconds, type Clock } from '../clock.js';
import { Denials, deniedToken } from './denials.js';
import { LogOut } from '../sessions/log-out.js';
import { factsOf, refreshableUntilSeconds, Sessions, type SessionLifetimes } from '../sessions/sessions.js';

/** An access token of ours: its principal and its session. */
export interface IssuedAccessToken {
  readonly principal: Principal;
  readonly sessionId: string;
}

/** The access tokens of registered clients. */
export abstract class IssuedAccessTokens {
  /** @throws {StoreUnavailable} */
  abstract find(accessToken: string): Promise<IssuedAccessToken | undefined>;
}

/** Revocation and introspection for registered clients (RFC 7009 and RFC 7662). */
export class IssuedTokens {
  constructor(
    private readonly accessTokens: IssuedAccessTokens,
    private readonly sessions: Sessions,
    private readonly denials: Denials,
    private readonly logOut: LogOut,
    private readonly lifetimes: SessionLifetimes,
    private readonly clock: Clock,
  ) {}

  /**
   * Either token of a pair ends the session and both tokens (RFC 7009 section 2.1).
   *
   * @throws {StoreUnavailable | UpstreamUnavailable | Busy} and then the client has to ask again
   */
  async revoke(token: string, clientId: string): Promise<RevokeTokenResult> {
    switch (issuedTokenKind(token)) {
      case 'refresh':
        return this.revokeRefreshToken(token, clientId);
      case 'access':
        return this.revokeAccessToken(token, clientId);
      case undefined:
        return { outcome: token.includes('.') ? 'unsupported' : 'unknown' };
    }
  }

  /** @throws {StoreUnavailable | DenialsUnknown} */
  async inspectRefreshToken(token: string, clientId: string): Promise<RefreshTokenInspection> {
    const state = issuedTokenKind(token) === 'refresh' ? await this.sessions.find(token) : undefined;
    if (state?.kind !== 'open' || state.session.clientId !== clientId) return { active: false };
    const { subject, scope, usedAtSeconds } = state.session;
    const { denied } = await this.denials.status(factsOf(state.session));
    const expiresAtSeconds = refreshableUntilSeconds(state.session, this.lifetimes);
    if (denied || nowInSeconds(this.clock) >= expiresAtSeconds) return { active: false };
    return { active: true, subject, scope, issuedAtSeconds: usedAtSeconds, expiresAtSeconds };
  }

  private async revokeRefreshToken(token: string, clientId: string): Promise<RevokeTokenResult> {
    const owner = await this.sessions.ownerOf(token);
    if (!owner) return { outcome: 'unknown' };
    if (owner.clientId !== clientId) return { outcome: 'foreign' };
    await this.logOut.endSession(token);
    return { outcome: 'revoked' };
  }

  private async revokeAccessToken(token: string, clientId: string): Promise<RevokeTokenResult> {
    const issued = await this.accessTokens.find(token);
    if (!issued) return { outcome: 'unknown' };
    const { subject, clientId: owner, expiresAtSeconds } = issued.principal;
    if (owner !== clientId) return { outcome: 'foreign' };
    const entry = await this.sessions.entry(subject, issued.sessionId);
    if (entry) await this.logOut.endEntry(entry);
    else await this.denials.deny(subject, [deniedToken(token, expiresAtSeconds)]);
    return { outcome: 'revoked' };
  }
}

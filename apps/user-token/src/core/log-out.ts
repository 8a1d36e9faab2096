import { isCanonicalToken, type LogoutResult } from '@app/user-token-client';
import { AuthorizationServer } from './authorization-server.js';
import { Denials, deniedToken } from './denials.js';
import { whileHolding } from './session-lock.js';
import { Sessions, type Session, type SessionState } from './sessions.js';
import { TokenCheck } from './token-check.js';

/**
 * Ends a session: its access tokens are refused everywhere from now on, then its refresh token is revoked upstream, then
 * it is forgotten. Each step may fail and be tried again by logging out again; access stays closed from the first on.
 */
export class LogOut {
  constructor(
    private readonly authorizationServer: AuthorizationServer,
    private readonly tokenCheck: TokenCheck,
    private readonly denials: Denials,
    private readonly sessions: Sessions,
    private readonly waiting: { readonly waitMs: number },
  ) {}

  /** @throws {StoreUnavailable} nothing has changed; {UpstreamUnavailable} access has ended, the refresh token is not revoked yet */
  async execute(accessToken: string): Promise<LogoutResult> {
    if (!isCanonicalToken(accessToken)) return { ended: false, reason: 'malformed' };
    const state = await this.sessions.find(accessToken);
    if (!state) return this.denyAlone(accessToken);
    if (state.kind === 'refreshed') return this.endSuccessor(accessToken, state);

    // Closed at once; a refresh that has not asked upstream yet sees it and gives up.
    await this.denyAllOf(accessToken, state.session);
    return whileHolding(this.sessions, accessToken, this.waiting, () => this.endHeld(accessToken));
  }

  /** Nobody refreshes this session now, but somebody may have while the lock was waited for. */
  private async endHeld(accessToken: string): Promise<LogoutResult> {
    const state = await this.sessions.find(accessToken);
    if (!state) return { ended: true };
    if (state.kind === 'refreshed') return this.endSuccessor(accessToken, state);
    const { refreshToken } = state.session;
    if (refreshToken !== undefined) await this.authorizationServer.revoke(refreshToken);
    await this.sessions.end(accessToken);
    return { ended: true };
  }

  /** The user's other tab has refreshed: what he means to end is the session, which goes by its new token. */
  private async endSuccessor(
    accessToken: string,
    { subject, token, expiresAtSeconds }: Extract<SessionState, { kind: 'refreshed' }>,
  ): Promise<LogoutResult> {
    await this.denials.deny(subject, [deniedToken(accessToken, expiresAtSeconds)]);
    return this.execute(token.accessToken);
  }

  private async denyAllOf(
    accessToken: string,
    { subject, expiresAtSeconds, predecessors }: Session,
  ): Promise<void> {
    await this.denials.deny(subject, [deniedToken(accessToken, expiresAtSeconds), ...predecessors]);
  }

  /** A token of ours without a session, such as one that came from elsewhere or was logged out before. */
  private async denyAlone(accessToken: string): Promise<LogoutResult> {
    const checked = await this.tokenCheck.check(accessToken);
    if (!checked.active) return { ended: false, reason: checked.reason };
    const { subject, expiresAtSeconds } = checked.principal;
    await this.denials.deny(subject, [deniedToken(accessToken, expiresAtSeconds)]);
    return { ended: true };
  }
}

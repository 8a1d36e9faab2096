import { isCanonicalToken, type LogoutResult } from '@app/user-token-client';
import { AuthorizationServer } from './authorization-server.js';
import { Denials, deniedToken } from './denials.js';
import { whileHolding } from './session-lock.js';
import { credentialId, credentialOf, Sessions, type SessionEntry } from './sessions.js';
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

  /**
   * By an access token, of our own front ends or of a client.
   *
   * @throws {StoreUnavailable} nothing has changed; {UpstreamUnavailable} access has ended, the refresh token is not revoked yet
   */
  async execute(accessToken: string): Promise<LogoutResult> {
    if (!isCanonicalToken(accessToken)) return { ended: false, reason: 'malformed' };
    const state = await this.sessions.find(accessToken);
    const clientId = state?.kind === 'open' ? state.session.clientId : state?.clientId;
    if (!state || clientId !== undefined) return this.denyAlone(accessToken);
    if (state.kind === 'refreshed') {
      const { subject, replaced, expiresAtSeconds } = state;
      await this.denials.deny(subject, [{ tokenId: replaced.tokenId, expiresAtSeconds }]);
      // The user's other tab has refreshed: what he means to end is the session, which goes by its new token.
      return this.execute(state.token.accessToken);
    }
    await this.endSession(accessToken);
    return { ended: true };
  }

  /** By the credential of the session; one that was refreshed since is followed to where the session is now. */
  async endSession(credential: string): Promise<void> {
    const state = await this.sessions.find(credential);
    if (!state) return;
    if (state.kind === 'refreshed') return this.endSession(credentialOf(state.token));

    // Closed at once; a refresh that has not asked upstream yet sees it and gives up.
    await this.denials.deny(state.session.subject, state.session.accessTokens);
    await whileHolding(this.sessions, credentialId(credential), this.waiting, () => this.endHeld(credential));
  }

  /**
   * By what is known of the session without its credential. Its refresh token cannot be opened and so not be revoked upstream;
   * it is deleted, and nobody else has it.
   */
  async endEntry(entry: SessionEntry): Promise<void> {
    const { subject, id } = entry;
    await this.denials.deny(subject, entry.accessTokens);
    const moved = await whileHolding(this.sessions, entry.credentialId, this.waiting, async () => {
      const now = await this.sessions.entry(subject, id);
      if (!now) return null;
      if (now.credentialId !== entry.credentialId) return now;
      await this.sessions.end(entry);
      return null;
    });
    if (moved) await this.endEntry(moved);
  }

  /** Nobody refreshes this session now, but somebody may have while the lock was waited for. */
  private async endHeld(credential: string): Promise<void> {
    const state = await this.sessions.find(credential);
    if (!state) return;
    if (state.kind === 'refreshed') return this.endSession(credentialOf(state.token));
    const { session } = state;
    if (session.refreshToken !== undefined) await this.authorizationServer.revoke(session.refreshToken);
    await this.sessions.end({ ...session, credentialId: credentialId(credential) });
  }

  /** A token of ours without a session of its own, such as one that came from elsewhere or was logged out before. */
  private async denyAlone(accessToken: string): Promise<LogoutResult> {
    const checked = await this.tokenCheck.check(accessToken);
    if (!checked.active) return { ended: false, reason: checked.reason };
    const { subject, expiresAtSeconds } = checked.principal;
    await this.denials.deny(subject, [deniedToken(accessToken, expiresAtSeconds)]);
    return { ended: true };
  }
}

import { isCanonicalToken, type LogoutResult } from '@app/user-token-client';
import { AuthorizationServer } from './authorization-server.js';
import { Denials } from './denials.js';
import { Sessions } from './sessions.js';
import { TokenCheck } from './token-check.js';
import { tokenId } from './token-id.js';

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
  ) {}

  /** @throws {StoreUnavailable} nothing has changed; {UpstreamUnavailable} access has ended, the refresh token is not revoked yet */
  async execute(accessToken: string): Promise<LogoutResult> {
    if (!isCanonicalToken(accessToken)) return { ended: false, reason: 'malformed' };
    const state = await this.sessions.find(accessToken);
    if (state?.kind === 'refreshed') {
      // The user's other tab has refreshed meanwhile: what he means to end is the session.
      await this.deny(accessToken);
      return this.execute(state.token.accessToken);
    }
    if (!state) return this.deny(accessToken);

    const { session } = state;
    const own = { tokenId: tokenId(accessToken), expiresAtSeconds: session.expiresAtSeconds };
    await this.denials.deny(session.subject, [own, ...session.predecessors]);
    if (session.refreshToken !== undefined) await this.authorizationServer.revoke(session.refreshToken);
    await this.sessions.end(accessToken);
    return { ended: true };
  }

  /** A token of ours without a session, such as one that came from elsewhere or was logged out before. */
  private async deny(accessToken: string): Promise<LogoutResult> {
    const checked = await this.tokenCheck.check(accessToken);
    if (!checked.active) return { ended: false, reason: checked.reason };
    const { subject, expiresAtSeconds } = checked.principal;
    await this.denials.deny(subject, [{ tokenId: tokenId(accessToken), expiresAtSeconds }]);
    return { ended: true };
  }
}

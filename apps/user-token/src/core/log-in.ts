import type { GrantResult } from '@app/user-token-client';
import { AuthorizationServer, UpstreamUnavailable, type Credentials } from './authorization-server.js';
import type { Log } from './log.js';
import { Sessions } from './sessions.js';
import { TokenCheck } from './token-check.js';

/** Password grant upstream, then a session here. */
export class LogIn {
  constructor(
    private readonly authorizationServer: AuthorizationServer,
    private readonly tokenCheck: TokenCheck,
    private readonly sessions: Sessions,
    private readonly log: Log,
  ) {}

  /** @throws {UpstreamUnavailable | StoreUnavailable} and then no session exists, here or upstream */
  async execute(credentials: Credentials): Promise<GrantResult> {
    const grant = await this.authorizationServer.grantPassword(credentials);
    if (!grant.granted) return grant;
    const { accessToken, refreshToken, expiresInSeconds, scope } = grant;
    try {
      const checked = await this.tokenCheck.check(accessToken);
      if (!checked.active) {
        throw new UpstreamUnavailable(
          `the authorization server issued an access token that does not verify here (${checked.reason}): compare AUTH0_ISSUER_URL and AUTH0_AUDIENCE with the tenant`,
        );
      }
      const { subject, expiresAtSeconds } = checked.principal;
      await this.sessions.start(accessToken, {
        subject,
        scope,
        startedAtSeconds: Math.floor(Date.now() / 1000),
        expiresAtSeconds,
        refreshToken,
        predecessors: [],
      });
    } catch (error) {
      await this.giveBack(refreshToken);
      throw error;
    }
    return { granted: true, token: { accessToken, expiresInSeconds, scope } };
  }

  /** A refresh token that nobody can find again must not stay in force. */
  private async giveBack(refreshToken: string | undefined): Promise<void> {
    if (refreshToken === undefined) return;
    try {
      await this.authorizationServer.revoke(refreshToken);
    } catch (error) {
      this.log.warn({ err: error }, 'a refresh token of a failed log-in could not be revoked upstream');
    }
  }
}

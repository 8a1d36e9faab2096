import { setTimeout as delay } from 'node:timers/promises';
import type { GrantResult } from '@app/user-token-client';
import {
  AuthorizationServer,
  UpstreamUnavailable,
  type Credentials,
  type UpstreamGrant,
} from './authorization-server.js';
import { Denials } from './denials.js';
import type { Log } from './log.js';
import { Sessions } from './sessions.js';
import { TokenCheck } from './token-check.js';
import { tokenId } from './token-id.js';

/** Password grant upstream, then a session here. */
export class LogIn {
  constructor(
    private readonly authorizationServer: AuthorizationServer,
    private readonly tokenCheck: TokenCheck,
    private readonly denials: Denials,
    private readonly sessions: Sessions,
    private readonly log: Log,
  ) {}

  /** @throws {UpstreamUnavailable | StoreUnavailable | DenialsUnknown} and then no session exists, here or upstream */
  async execute(credentials: Credentials): Promise<GrantResult> {
    const result = await this.tryOnce(credentials);
    if (result !== 'issued_before_revocation') return result;
    // Time of issue is told in whole seconds: a log-in right after "log out everywhere" falls into the second that was
    // revoked, and is made again in the next.
    await delay(1000 - (Date.now() % 1000));
    const again = await this.tryOnce(credentials);
    if (again === 'issued_before_revocation') {
      throw new UpstreamUnavailable('the access of this user is being revoked at this moment', 1);
    }
    return again;
  }

  private async tryOnce(credentials: Credentials): Promise<GrantResult | 'issued_before_revocation'> {
    const grant = await this.authorizationServer.grantPassword(credentials);
    if (!grant.granted) return grant;
    const { accessToken, refreshToken, expiresInSeconds, scope } = grant;
    let kept = false;
    try {
      kept = await this.startSession(grant);
    } finally {
      if (!kept) await this.giveBack(refreshToken);
    }
    if (!kept) return 'issued_before_revocation';
    return { granted: true, token: { accessToken, expiresInSeconds, scope } };
  }

  /** @returns false when all tokens of this second were revoked */
  private async startSession({ accessToken, refreshToken, scope }: UpstreamGrant): Promise<boolean> {
    const checked = await this.tokenCheck.check(accessToken);
    if (!checked.active) {
      throw new UpstreamUnavailable(
        `the authorization server issued an access token that does not verify here (${checked.reason}): compare AUTH0_ISSUER_URL and AUTH0_AUDIENCE with the tenant`,
      );
    }
    const { subject, issuedAtSeconds, expiresAtSeconds } = checked.principal;
    const { denied } = await this.denials.status({ subject, tokenId: tokenId(accessToken), issuedAtSeconds });
    if (denied) return false;
    await this.sessions.start(accessToken, {
      subject,
      scope,
      startedAtSeconds: Math.floor(Date.now() / 1000),
      issuedAtSeconds,
      expiresAtSeconds,
      refreshToken,
      predecessors: [],
    });
    return true;
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

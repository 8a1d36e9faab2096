import {
  isCanonicalToken,
  type GrantedToken,
  type GrantResult,
  type Principal,
} from '@app/user-token-client';
import { AuthorizationServer, UpstreamUnavailable, type UpstreamGrant } from './authorization-server.js';
import { Denials, deniedToken } from './denials.js';
import type { Log } from './log.js';
import { LogOut } from './log-out.js';
import { whileHolding } from './session-lock.js';
import { Sessions, type Session, type SessionState } from './sessions.js';
import { TokenCheck } from './token-check.js';
import { tokenId } from './token-id.js';

const REFUSED: GrantResult = { granted: false, error: 'invalid_grant' };
const REUSED: GrantResult = { granted: false, error: 'token_reused' };

export interface RefreshOptions {
  /** How long to wait for somebody else who refreshes the same session. */
  readonly waitMs: number;
  readonly replayWindowSeconds: number;
  /** Longest life of a session, however often it is refreshed. */
  readonly absoluteSeconds: number;
  /** How long after its expiry an access token may still be refreshed. */
  readonly expiredLimitSeconds: number;
}

interface Replacement {
  readonly token: GrantedToken;
  readonly session: Session;
}

/**
 * A new access token for an old one, expired or not. The holder of the session's lock asks upstream; everybody else who
 * presents the same old token meanwhile, or within the replay window, gets the same new token.
 */
export class RefreshSession {
  /** Rotated upstream, but not stored yet: the old refresh token is spent, so a retry must find the new one here. */
  private readonly unstored = new Map<string, Replacement>();

  constructor(
    private readonly authorizationServer: AuthorizationServer,
    private readonly tokenCheck: TokenCheck,
    private readonly denials: Denials,
    private readonly sessions: Sessions,
    private readonly logOut: LogOut,
    private readonly options: RefreshOptions,
    private readonly log: Log,
  ) {}

  /** @throws {UpstreamUnavailable | StoreUnavailable | DenialsUnknown} and then the old token still refreshes */
  async execute(accessToken: string): Promise<GrantResult> {
    if (!isCanonicalToken(accessToken)) return REFUSED;
    const meanwhile = () => this.answeredAlready(accessToken);
    return whileHolding(this.sessions, accessToken, { waitMs: this.options.waitMs, meanwhile }, () =>
      this.refreshHeld(accessToken),
    );
  }

  /** The end of a session that is gone, or the answer that was given to somebody else; undefined while it is to be made. */
  private async answeredAlready(accessToken: string): Promise<GrantResult | undefined> {
    const state = await this.sessions.find(accessToken);
    if (!state) return REFUSED;
    return state.kind === 'refreshed' ? this.replay(accessToken, state) : undefined;
  }

  private async refreshHeld(accessToken: string): Promise<GrantResult> {
    const state = await this.sessions.find(accessToken);
    if (!state) return REFUSED;
    if (state.kind === 'refreshed') return await this.replay(accessToken, state);
    const { session } = state;
    if (session.refreshToken === undefined || (await this.isDenied(accessToken, session))) return REFUSED;
    if (this.isOver(session)) return this.expire(accessToken, session.refreshToken);

    const pending = this.unstored.get(tokenId(accessToken));
    const replacement = pending ?? (await this.askUpstream(accessToken, session, session.refreshToken));
    if (!('token' in replacement)) {
      if (replacement.error === 'invalid_grant') await this.sessions.end(accessToken);
      return replacement;
    }
    if (await this.isDenied(accessToken, session)) return this.takeBack(replacement);
    await this.store(accessToken, session, replacement);
    return { granted: true, token: replacement.token };
  }

  private isOver({ startedAtSeconds, expiresAtSeconds }: Session): boolean {
    const nowSeconds = Date.now() / 1000;
    const { absoluteSeconds, expiredLimitSeconds } = this.options;
    return (
      nowSeconds >= startedAtSeconds + absoluteSeconds || nowSeconds >= expiresAtSeconds + expiredLimitSeconds
    );
  }

  private async expire(accessToken: string, refreshToken: string): Promise<GrantResult> {
    await this.authorizationServer.revoke(refreshToken);
    await this.sessions.end(accessToken);
    return REFUSED;
  }

  /**
   * The answer that was given before; a session that was logged out since has taken it back. After the replay window there are
   * two holders of what should have one: the session ends for both.
   */
  private async replay(
    accessToken: string,
    state: Extract<SessionState, { kind: 'refreshed' }>,
  ): Promise<GrantResult> {
    const { subject, issuedAtSeconds, token, expiresAtSeconds, replayUntilSeconds } = state;
    if (await this.isDenied(accessToken, { subject, issuedAtSeconds })) return REFUSED;
    if (Date.now() / 1000 >= replayUntilSeconds) {
      this.log.warn(
        { subject },
        'an access token that was refreshed before was presented again: its session is ended',
      );
      await this.logOut.execute(accessToken);
      return REUSED;
    }
    const expiresInSeconds = Math.max(0, Math.floor(expiresAtSeconds - Date.now() / 1000));
    return { granted: true, token: { ...token, expiresInSeconds } };
  }

  private async isDenied(
    accessToken: string,
    { subject, issuedAtSeconds }: Pick<Session, 'subject' | 'issuedAtSeconds'>,
  ): Promise<boolean> {
    const { denied } = await this.denials.status({ subject, tokenId: tokenId(accessToken), issuedAtSeconds });
    return denied;
  }

  /** The session was revoked while upstream was asked: what it gave is closed before anybody has it. */
  private async takeBack({ token, session }: Replacement): Promise<GrantResult> {
    const { subject, expiresAtSeconds, refreshToken } = session;
    await this.denials.deny(subject, [deniedToken(token.accessToken, expiresAtSeconds)]);
    if (refreshToken !== undefined) await this.authorizationServer.revoke(refreshToken);
    return REFUSED;
  }

  private async askUpstream(accessToken: string, session: Session, refreshToken: string) {
    const grant = await this.authorizationServer.grantRefresh(refreshToken);
    if (!grant.granted) return grant;
    const checked = await this.tokenCheck.check(grant.accessToken);
    if (!checked.active) {
      throw new UpstreamUnavailable(`the refreshed access token does not verify here (${checked.reason})`);
    }
    if (checked.principal.subject !== session.subject) {
      throw new UpstreamUnavailable('the refreshed access token is for another subject');
    }
    return asReplacement(accessToken, session, grant, checked.principal);
  }

  private async store(
    accessToken: string,
    { issuedAtSeconds }: Session,
    replacement: Replacement,
  ): Promise<void> {
    const id = tokenId(accessToken);
    try {
      await this.sessions.replace({ accessToken, issuedAtSeconds }, replacement.token, replacement.session);
      this.unstored.delete(id);
    } catch (error) {
      this.unstored.set(id, replacement);
      setTimeout(() => this.unstored.delete(id), this.options.replayWindowSeconds * 1000).unref();
      throw error;
    }
  }
}

function asReplacement(
  oldAccessToken: string,
  session: Session,
  grant: UpstreamGrant,
  { issuedAtSeconds, expiresAtSeconds }: Principal,
): Replacement {
  const nowSeconds = Date.now() / 1000;
  const old = deniedToken(oldAccessToken, session.expiresAtSeconds);
  return {
    token: {
      accessToken: grant.accessToken,
      expiresInSeconds: grant.expiresInSeconds,
      scope: grant.scope || session.scope,
    },
    session: {
      ...session,
      scope: grant.scope || session.scope,
      issuedAtSeconds,
      expiresAtSeconds,
      refreshToken: grant.refreshToken ?? session.refreshToken,
      predecessors: [...session.predecessors, old].filter((token) => token.expiresAtSeconds > nowSeconds),
    },
  };
}

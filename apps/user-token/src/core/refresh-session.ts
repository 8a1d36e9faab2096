import { isCanonicalToken, type GrantResult } from '@app/user-token-client';
import {
  AuthorizationServer,
  UpstreamUnavailable,
  type UpstreamGrant,
  type UpstreamRefusal,
} from './authorization-server.js';
import { Denials, deniedToken, type DeniedToken } from './denials.js';
import type { Front } from './front.js';
import type { Log } from './log.js';
import { LogOut } from './log-out.js';
import { whileHolding } from './session-lock.js';
import {
  credentialId,
  factsOf,
  Sessions,
  type Device,
  type Issued,
  type Session,
  type SessionLock,
  type SessionState,
} from './sessions.js';
import { TokenCheck } from './token-check.js';

const REFUSED: GrantResult = { granted: false, error: 'invalid_grant' };
const REUSED: GrantResult = { granted: false, error: 'token_reused' };
const NOT_COVERED: GrantResult = { granted: false, error: 'invalid_scope' };

/** Access tokens in force that a session remembers. One that is refreshed faster than they expire has its oldest ended. */
const MAX_ACCESS_TOKENS = 64;

export interface RefreshOptions {
  /** How long to wait for somebody else who refreshes the same session. */
  readonly waitMs: number;
  /** Longest life of a session, however often it is refreshed. */
  readonly absoluteSeconds: number;
  /** How long after its expiry an access token may still be refreshed. */
  readonly expiredLimitSeconds: number;
  /** How long the answer of a refresh that could not be stored is kept for a retry. */
  readonly retrySeconds: number;
}

interface Replacement {
  readonly issued: Issued;
  readonly session: Session;
}

/**
 * New tokens for the credential of a session. The holder of the session's lock asks upstream; everybody else who presents the
 * same credential meanwhile, or within the replay window, gets the same answer (a client's refresh token has none).
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

  /** @throws {UpstreamUnavailable | StoreUnavailable | DenialsUnknown} and then the old credential still refreshes */
  async execute(credential: string, front: Front, device: Device): Promise<GrantResult> {
    if (!isCanonicalToken(credential)) return REFUSED;
    const { waitMs } = this.options;
    const meanwhile = () => this.answeredAlready(credential, front);
    return whileHolding(this.sessions, credentialId(credential), { waitMs, meanwhile }, (lock) =>
      this.refreshHeld(credential, front, device, lock),
    );
  }

  /** The end of a session that is gone, or the answer that was given to somebody else; undefined while it is to be made. */
  private async answeredAlready(credential: string, front: Front): Promise<GrantResult | undefined> {
    const state = await this.sessions.find(credential);
    if (!state || clientOf(state) !== front.clientId) return REFUSED;
    if (state.kind === 'refreshed') return this.replay(credential, state);
    return front.covers(state.session) ? undefined : NOT_COVERED;
  }

  private async refreshHeld(
    credential: string,
    front: Front,
    device: Device,
    lock: SessionLock,
  ): Promise<GrantResult> {
    const state = await this.sessions.find(credential);
    if (!state) return REFUSED;
    if (state.kind === 'refreshed') return this.replay(credential, state);
    const { session } = state;
    if (session.refreshToken === undefined || (await this.isDenied(session))) return REFUSED;
    if (this.isOver(session)) return this.expire(credential, session, session.refreshToken);

    const pending = this.unstored.get(credentialId(credential));
    const replacement = pending ?? (await this.askUpstream(session, session.refreshToken, front, device));
    if ('granted' in replacement) {
      if (replacement.error === 'invalid_grant') await this.end(credential, session);
      return replacement;
    }
    if (await this.isDenied(session)) return this.takeBack(replacement);
    if (!(await this.store(credential, session, replacement, lock))) {
      await this.takeBack(replacement);
      throw new UpstreamUnavailable('this refresh took too long, and another request has overtaken it', 1);
    }
    return { granted: true, token: replacement.issued.token };
  }

  private isOver({ clientId, startedAtSeconds, expiresAtSeconds }: Session): boolean {
    const nowSeconds = Date.now() / 1000;
    const { absoluteSeconds, expiredLimitSeconds } = this.options;
    if (nowSeconds >= startedAtSeconds + absoluteSeconds) return true;
    // A client refreshes by a token that is made for it, and that lasts as long as the session.
    return clientId === undefined && nowSeconds >= expiresAtSeconds + expiredLimitSeconds;
  }

  private async expire(credential: string, session: Session, refreshToken: string): Promise<GrantResult> {
    await this.authorizationServer.revoke(refreshToken);
    await this.end(credential, session);
    return REFUSED;
  }

  private end(credential: string, session: Session): Promise<void> {
    return this.sessions.end({ ...session, credentialId: credentialId(credential) });
  }

  /**
   * The answer that was given before; a session that was logged out since has taken it back. After the replay window there are
   * two holders of what should have one: the session ends for both.
   */
  private async replay(
    credential: string,
    { replaced, token, expiresAtSeconds, replayUntilSeconds }: Extract<SessionState, { kind: 'refreshed' }>,
  ): Promise<GrantResult> {
    const { denied } = await this.denials.status(replaced);
    if (denied) return REFUSED;
    if (Date.now() / 1000 >= replayUntilSeconds) {
      this.log.warn(
        { subject: replaced.subject },
        'a token that was refreshed before was presented again: its session is ended',
      );
      await this.logOut.endSession(credential);
      return REUSED;
    }
    const expiresInSeconds = Math.max(0, Math.floor(expiresAtSeconds - Date.now() / 1000));
    return { granted: true, token: { ...token, expiresInSeconds } };
  }

  private async isDenied(session: Session): Promise<boolean> {
    const { denied } = await this.denials.status(factsOf(session));
    return denied;
  }

  /** The session was revoked while upstream was asked: what it gave is closed before anybody has it. */
  private async takeBack({ session }: Replacement): Promise<GrantResult> {
    const { subject, accessTokens, refreshToken } = session;
    await this.denials.deny(subject, accessTokens.slice(-1));
    if (refreshToken !== undefined) await this.authorizationServer.revoke(refreshToken);
    return REFUSED;
  }

  private async askUpstream(
    session: Session,
    refreshToken: string,
    front: Front,
    device: Device,
  ): Promise<Replacement | UpstreamRefusal> {
    const grant = await this.authorizationServer.grantRefresh(refreshToken);
    if (!grant.granted) {
      const { error } = grant;
      return { granted: false, error };
    }
    const checked = await this.tokenCheck.check(grant.accessToken);
    if (!checked.active) {
      throw new UpstreamUnavailable(`the refreshed access token does not verify here (${checked.reason})`);
    }
    const { principal } = checked;
    if (principal.subject !== session.subject) {
      throw new UpstreamUnavailable('the refreshed access token is for another subject');
    }
    const issued = front.issue(grant, principal, session);
    if (!issued) {
      // Nothing that the client may have is left: its user has lost it, or the client has.
      await this.authorizationServer.revoke(grant.refreshToken ?? refreshToken);
      return { granted: false, error: 'invalid_grant' };
    }
    return { issued, session: renewed(session, grant, issued, principal, device) };
  }

  private async store(
    credential: string,
    session: Session,
    { issued, session: next }: Replacement,
    lock: SessionLock,
  ): Promise<boolean> {
    const id = credentialId(credential);
    try {
      // Forgotten, it could not be ended by a log-out any more.
      if (session.accessTokens.length >= MAX_ACCESS_TOKENS)
        await this.denials.deny(session.subject, forgottenBy(next, session));
      const stored = await this.sessions.replace(credential, factsOf(session), issued, next, lock);
      this.unstored.delete(id);
      return stored;
    } catch (error) {
      this.unstored.set(id, { issued, session: next });
      setTimeout(() => this.unstored.delete(id), this.options.retrySeconds * 1000).unref();
      throw error;
    }
  }
}

function forgottenBy(next: Session, { accessTokens }: Session): DeniedToken[] {
  const kept = new Set(next.accessTokens.map(({ tokenId }) => tokenId));
  return accessTokens.filter(({ tokenId }) => !kept.has(tokenId));
}

function clientOf(state: SessionState): string | undefined {
  return state.kind === 'open' ? state.session.clientId : state.clientId;
}

function renewed(
  session: Session,
  grant: UpstreamGrant,
  { token, scope }: Issued & { readonly scope: string },
  { issuedAtSeconds, expiresAtSeconds }: { issuedAtSeconds: number; expiresAtSeconds: number },
  device: Device,
): Session {
  const nowSeconds = Date.now() / 1000;
  const current = deniedToken(token.accessToken, expiresAtSeconds);
  const inForce = session.accessTokens.filter(
    (former) => former.expiresAtSeconds > nowSeconds && former.tokenId !== current.tokenId,
  );
  return {
    ...session,
    scope,
    usedAtSeconds: Math.floor(nowSeconds),
    device: { ...session.device, ...device },
    issuedAtSeconds,
    expiresAtSeconds,
    refreshToken: grant.refreshToken ?? session.refreshToken,
    accessTokens: [...inForce, current].slice(-MAX_ACCESS_TOKENS),
  };
}

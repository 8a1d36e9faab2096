import { isCanonicalToken, type CanonicalToken, type LogoutResult } from '@app/contract';
import { AuthorizationServer } from './authorization-server.js';
import { Busy } from './busy.js';
import { nowInSeconds, type Clock } from './clock.js';
import { Denials, deniedToken, type DeniedToken } from './denials.js';
import { whileHolding, whileHoldingCurrent, type HeldSession } from './session-lock.js';
import { ownerOf, refreshTokensOf, Sessions, type SessionEntry, type SessionState } from './sessions.js';
import { TokenCheck } from './token-check.js';
import { tokenId } from './token-id.js';

export interface LogOutOptions {
  /** How long to wait for somebody else who refreshes the same session. */
  readonly waitMs: number;
  /** How long a session may be left without a refresh. */
  readonly idleSeconds: number;
  readonly clock: Clock;
}

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
    private readonly waiting: LogOutOptions,
  ) {}

  /**
   * By any access token that a session has or had, of our own front ends or of a client: the session ends with all that it has now.
   *
   * @throws {StoreUnavailable} nothing has changed; {UpstreamUnavailable | Busy} access has ended, the refresh token is not revoked yet
   */
  async execute(accessToken: string): Promise<LogoutResult> {
    if (!isCanonicalToken(accessToken)) return { ended: false, reason: 'malformed' };
    const state = await this.sessions.find(accessToken);
    if (!state || ownerOf(state).clientId !== undefined) return this.endByCheck(accessToken);
    await this.endFound(accessToken, state);
    return { ended: true };
  }

  /** By the credential of the session; one that was refreshed since is followed to where the session is now. */
  async endSession(credential: string): Promise<void> {
    const state = await this.sessions.find(credential);
    if (state) await this.endFound(credential, state);
  }

  /**
   * By what is known of the session without its credential. Its refresh token cannot be opened and so not be revoked upstream;
   * it is deleted, and nobody else has it.
   */
  async endEntry(entry: SessionEntry): Promise<void> {
    const { subject, id } = entry;
    await this.denials.deny(subject, this.untilIdle(entry.accessTokens));
    const moved = await whileHolding(this.sessions, entry.credentialId, this.waiting, async (lock) => {
      const now = await this.sessions.entry(subject, id);
      if (!now) return null;
      if (now.credentialId !== entry.credentialId) return now;
      if (!(await this.sessions.end(entry, lock))) throw overtaken();
      return null;
    });
    if (moved) await this.endEntry(moved);
  }

  /**
   * A Redis that comes back older brings the session back, with a refresh token that is in force upstream. Its last access token is what
   * it is known by: that stays denied for as long as the session could be refreshed.
   */
  private untilIdle(accessTokens: readonly DeniedToken[]): readonly DeniedToken[] {
    const idleAtSeconds = nowInSeconds(this.waiting.clock) + this.waiting.idleSeconds;
    return accessTokens.map((token, index) =>
      index < accessTokens.length - 1
        ? token
        : { ...token, expiresAtSeconds: Math.max(token.expiresAtSeconds, idleAtSeconds) },
    );
  }

  private async endFound(credential: string, state: SessionState): Promise<void> {
    const denied = await this.deny(state);
    const ended = await whileHoldingCurrent(this.sessions, credential, this.waiting, (held) =>
      this.endHeld(held, denied),
    );
    if (ended || state.kind === 'open') return;
    // A credential on the way from this one to the session's own is not known any more.
    const entry = await this.sessions.entry(state.subject, state.sessionId);
    if (entry) await this.endEntry(entry);
  }

  /** Closes access at once; a refresh that has not asked upstream yet sees it and gives up. */
  private async deny(state: SessionState): Promise<readonly DeniedToken[]> {
    const tokens = await this.sessions.accessTokensOf(state);
    await this.denials.deny(ownerOf(state).subject, tokens);
    return tokens;
  }

  private async endHeld(
    { credential, session, lock }: HeldSession,
    denied: readonly DeniedToken[],
  ): Promise<true> {
    const ids = new Set(denied.map((token) => token.tokenId));
    const since = session.accessTokens.filter((token) => !ids.has(token.tokenId));
    if (since.length > 0) await this.denials.deny(session.subject, since);
    for (const refreshToken of refreshTokensOf(session)) await this.authorizationServer.revoke(refreshToken);
    if (!(await this.sessions.endUnder(credential, session, lock))) throw overtaken();
    return true;
  }

  /** A token that opens no session: that of a client belongs to one all the same, and so may one whose link to it was lost. */
  private async endByCheck(accessToken: CanonicalToken): Promise<LogoutResult> {
    const checked = await this.tokenCheck.check(accessToken);
    if (!checked.active) return { ended: false, reason: checked.reason };
    const { subject, expiresAtSeconds } = checked.principal;
    const entry = await this.sessions.entryWith(subject, tokenId(accessToken));
    if (entry) await this.endEntry(entry);
    else await this.denials.deny(subject, [deniedToken(accessToken, expiresAtSeconds)]);
    return { ended: true };
  }
}

function overtaken(): Busy {
  return new Busy('the end of this session took too long, and another request has overtaken it');
}

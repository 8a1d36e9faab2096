import { isCanonicalToken, type CanonicalToken, type LogoutResult, type RefusalLog } from '@app/contract';
import { AuthorizationServer } from '../authorization-server.js';
import { Busy } from '../busy.js';
import { nowInSeconds, type Clock } from '../clock.js';
import { Denials, deniedToken, type DeniedToken } from '../tokens/denials.js';
import { whileHolding, whileHoldingCurrent, type HeldSession } from './session-lock.js';
import { ownerOf, refreshTokensOf, Sessions, type SessionEntry, type SessionState } from './sessions.js';
import { TokenCheck } from '../tokens/token-check.js';
import { tokenId } from '../tokens/token-id.js';

export interface LogOutOptions {
  /** How long to wait for a refresh of the same session. */
  readonly waitMs: number;
  /** How long a session may be left without a refresh. */
  readonly idleSeconds: number;
  readonly clock: Clock;
}

/**
 * Ends a session: first the access tokens everywhere, then the refresh token upstream, then the session itself. Each step may fail;
 * another log-out tries again. Access stays closed from the first step on.
 */
export class LogOut {
  constructor(
    private readonly authorizationServer: AuthorizationServer,
    private readonly tokenCheck: TokenCheck,
    private readonly denials: Denials,
    private readonly sessions: Sessions,
    private readonly refusals: RefusalLog,
    private readonly waiting: LogOutOptions,
  ) {}

  /**
   * By any access token that a session has or had, of our own front ends or of a client. The session ends with all its tokens.
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

  /** By a credential of the session, present or former. */
  async endSession(credential: string): Promise<void> {
    const state = await this.sessions.find(credential);
    if (state) await this.endFound(credential, state);
  }

  /**
   * By the entry of the session, without its credential. The refresh token stays sealed and in force upstream; its only copy is
   * deleted.
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
   * A Redis that comes back older brings the session back, with a refresh token in force. The last access token identifies the
   * session, and stays denied for as long as the session could be refreshed.
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
    // The chain from this credential to the present one is broken.
    const entry = await this.sessions.entry(state.subject, state.sessionId);
    if (entry) await this.endEntry(entry);
  }

  /** Closes access at once. A refresh before its question to upstream sees that and gives up. */
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

  /** A token that opens no session may belong to one: a client's token does, and so does one whose link was lost. */
  private async endByCheck(accessToken: CanonicalToken): Promise<LogoutResult> {
    const checked = await this.tokenCheck.check(accessToken);
    if (!checked.active) {
      const { reason, detail } = checked;
      this.refusals.refused(reason, accessToken, { detail });
      return { ended: false, reason };
    }
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

import {
  isCanonicalToken,
  type EndSessionResult,
  type InactiveReason,
  type ListedSession,
  type ListSessionsResult,
} from '@app/user-token-client';
import { Denials } from './denials.js';
import { LogOut } from './log-out.js';
import { factsOf, Sessions, type SessionEntry } from './sessions.js';
import { tokenId } from './token-id.js';
import { VerifyToken } from './verify-token.js';

/** A user's own sessions, by one of his access tokens. */
export class UserSessions {
  constructor(
    private readonly verifyToken: VerifyToken,
    private readonly denials: Denials,
    private readonly sessions: Sessions,
    private readonly logOut: LogOut,
    private readonly options: { readonly absoluteSeconds: number },
  ) {}

  /** @throws {UpstreamUnavailable | StoreUnavailable | DenialsUnknown} */
  async list(accessToken: string): Promise<ListSessionsResult> {
    const caller = await this.subjectOf(accessToken);
    if (!caller.active) return { listed: false, reason: caller.reason };
    const entries = await this.sessions.entriesOf(caller.subject);
    const open = await Promise.all(entries.map((entry) => this.isOpen(entry)));
    const current = tokenId(accessToken);
    return {
      listed: true,
      sessions: entries.filter((_, index) => open[index]).map((entry) => asListed(entry, current)),
    };
  }

  /** @throws {UpstreamUnavailable | StoreUnavailable | DenialsUnknown} and then it may be tried again */
  async end(accessToken: string, sessionId: string): Promise<EndSessionResult> {
    const caller = await this.subjectOf(accessToken);
    if (!caller.active) return { ended: false, reason: caller.reason };
    const entry = await this.sessions.entry(caller.subject, sessionId);
    if (!entry || !(await this.isOpen(entry))) return { ended: false, reason: 'unknown_session' };
    // His own session opens with the token at hand, and is then ended upstream as well.
    if (holds(entry, tokenId(accessToken)) && entry.clientId === undefined) {
      const result = await this.logOut.execute(accessToken);
      return result.ended ? result : { ended: false, reason: result.reason };
    }
    await this.logOut.endEntry(entry);
    return { ended: true };
  }

  private async subjectOf(
    accessToken: string,
  ): Promise<{ active: true; subject: string } | { active: false; reason: InactiveReason }> {
    if (!isCanonicalToken(accessToken)) return { active: false, reason: 'malformed' };
    const verdict = await this.verifyToken.execute(accessToken);
    return verdict.active ? { active: true, subject: verdict.principal.subject } : verdict;
  }

  /** Entries outlive a log-out everywhere, which denies what was issued so far and looks at none of them. */
  private async isOpen(entry: SessionEntry): Promise<boolean> {
    if (Date.now() / 1000 >= entry.startedAtSeconds + this.options.absoluteSeconds) return false;
    const { denied } = await this.denials.status(factsOf(entry));
    return !denied;
  }
}

function holds({ accessTokens }: SessionEntry, id: string): boolean {
  return accessTokens.some((token) => token.tokenId === id);
}

function asListed(entry: SessionEntry, current: string): ListedSession {
  const { id, clientId, device, startedAtSeconds, usedAtSeconds } = entry;
  return {
    id,
    current: holds(entry, current),
    clientId,
    userAgent: device.userAgent,
    address: device.address,
    createdAtSeconds: startedAtSeconds,
    usedAtSeconds,
  };
}

import type { EndSessionResult, ListedSession, ListSessionsResult } from '@app/contract';
import { nowInSeconds, type Clock } from '../clock.js';
import { Denials } from '../tokens/denials.js';
import { LogOut } from './log-out.js';
import { SessionAccess } from './session-access.js';
import {
  factsOf,
  holds,
  refreshableUntilSeconds,
  Sessions,
  type SessionEntry,
  type SessionLifetimes,
} from './sessions.js';
import { tokenId } from '../tokens/token-id.js';

/** The sessions of a user, for a front end with an access token of the user. */
export class UserSessions {
  constructor(
    private readonly access: SessionAccess,
    private readonly denials: Denials,
    private readonly sessions: Sessions,
    private readonly logOut: LogOut,
    private readonly lifetimes: SessionLifetimes,
    private readonly clock: Clock,
  ) {}

  /** @throws {UpstreamUnavailable | Busy | StoreUnavailable | DenialsUnknown} */
  async list(accessToken: string): Promise<ListSessionsResult> {
    const caller = await this.access.of(accessToken);
    if (!caller.permitted) return { listed: false, reason: caller.reason };
    const entries = await this.sessions.entriesOf(caller.subject);
    const open = await Promise.all(entries.map((entry) => this.isOpen(entry)));
    const current = tokenId(accessToken);
    return {
      listed: true,
      sessions: entries.filter((_, index) => open[index]).map((entry) => asListed(entry, current)),
    };
  }

  /** @throws {UpstreamUnavailable | Busy | StoreUnavailable | DenialsUnknown} and then the user may try again */
  async end(accessToken: string, sessionId: string): Promise<EndSessionResult> {
    const caller = await this.access.of(accessToken);
    if (!caller.permitted) return { ended: false, reason: caller.reason };
    const entry = await this.sessions.entry(caller.subject, sessionId);
    if (!entry || !(await this.isOpen(entry))) return { ended: false, reason: 'unknown_session' };
    // The session of this token opens with it, and ends upstream as well.
    if (holds(entry, tokenId(accessToken))) await this.logOut.endSession(accessToken);
    const left = await this.sessions.entry(caller.subject, sessionId);
    if (left) await this.logOut.endEntry(left);
    return { ended: true };
  }

  /** A log-out everywhere denies the tokens and leaves the entries. */
  private async isOpen(entry: SessionEntry): Promise<boolean> {
    const nowSeconds = nowInSeconds(this.clock);
    const isRefreshable = nowSeconds < refreshableUntilSeconds(entry, this.lifetimes);
    const hasAccess = entry.accessTokens.some(({ expiresAtSeconds }) => nowSeconds < expiresAtSeconds);
    if (!isRefreshable && !hasAccess) return false;
    const { denied } = await this.denials.status(factsOf(entry));
    return !denied;
  }
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

import type { LogoutResult } from '@app/contract';
import { Denials } from '../tokens/denials.js';
import { LogOut } from './log-out.js';
import { SessionAccess } from './session-access.js';

/** Ends all access of a user: every token issued so far, and every session under one of them. */
export class RevokeSubject {
  constructor(
    private readonly access: SessionAccess,
    private readonly denials: Denials,
    private readonly logOut: LogOut,
  ) {}

  /** @throws {StoreUnavailable} and then nothing has changed */
  async execute(subject: string): Promise<void> {
    await this.denials.denySubject(subject);
  }

  /** At the user's own request, by an access token. Its session ends upstream as well. */
  async executeFor(accessToken: string): Promise<LogoutResult> {
    // A token that was revoked may not end other sessions.
    const caller = await this.access.of(accessToken);
    if (!caller.permitted) return { ended: false, reason: caller.reason };
    await this.denials.denySubject(caller.subject);
    return this.logOut.execute(accessToken);
  }
}

import type { LogoutResult } from '@app/contract';
import { Denials } from './denials.js';
import { LogOut } from './log-out.js';
import { SessionAccess } from './session-access.js';

/** Ends all access of a user: every token issued to him so far, and with them every session that stands under one. */
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

  /** For the user himself, by one of his tokens; its own session is ended upstream as well. */
  async executeFor(accessToken: string): Promise<LogoutResult> {
    // Only who still has access may end that of the other sessions.
    const caller = await this.access.of(accessToken);
    if (!caller.permitted) return { ended: false, reason: caller.reason };
    await this.denials.denySubject(caller.subject);
    return this.logOut.execute(accessToken);
  }
}

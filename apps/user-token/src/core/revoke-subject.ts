import { isCanonicalToken, type LogoutResult } from '@app/user-token-client';
import { Denials } from './denials.js';
import { LogOut } from './log-out.js';
import { issuedAtForDenials, TokenCheck } from './token-check.js';
import { tokenId } from './token-id.js';

/** Ends all access of a user: every token issued to him so far, and with them every session that stands under one. */
export class RevokeSubject {
  constructor(
    private readonly tokenCheck: TokenCheck,
    private readonly denials: Denials,
    private readonly logOut: LogOut,
  ) {}

  /** @throws {StoreUnavailable} and then nothing has changed */
  async execute(subject: string): Promise<void> {
    await this.denials.denySubject(subject);
  }

  /** For the user himself, by one of his tokens; its own session is ended upstream as well. */
  async executeFor(accessToken: string): Promise<LogoutResult> {
    if (!isCanonicalToken(accessToken)) return { ended: false, reason: 'malformed' };
    const checked = await this.tokenCheck.check(accessToken);
    if (!checked.active) return { ended: false, reason: checked.reason };
    const { subject } = checked.principal;
    const issuedAtSeconds = issuedAtForDenials(checked);
    const { denied } = await this.denials.status({ subject, tokenId: tokenId(accessToken), issuedAtSeconds });
    // Only who still has access may end that of the other sessions.
    if (denied) return { ended: false, reason: 'revoked' };
    await this.denials.denySubject(subject);
    return this.logOut.execute(accessToken);
  }
}

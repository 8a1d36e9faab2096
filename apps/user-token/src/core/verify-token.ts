import { isCanonicalToken, type Verdict } from '@app/user-token-client';
import { Denials } from './denials.js';
import { issuedAtForDenials, TokenCheck, type CheckedToken } from './token-check.js';
import { tokenId } from './token-id.js';

/** Whether a token is active, and for whom. */
export class VerifyToken {
  private readonly checksUnderWay = new Map<string, Promise<CheckedToken>>();

  constructor(
    private readonly tokenCheck: TokenCheck,
    private readonly denials: Denials,
  ) {}

  /** @throws {UpstreamUnavailable | DenialsUnknown} when no verdict can be reached */
  async execute(accessToken: string): Promise<Verdict> {
    if (!isCanonicalToken(accessToken)) return { active: false, reason: 'malformed' };
    const id = tokenId(accessToken);
    const checked = await this.check(accessToken);
    if (!checked.active) return { active: false, reason: checked.reason };
    // Read by every caller for himself, after the shared check: a denial written in between is seen.
    const { subject } = checked.principal;
    const issuedAtSeconds = issuedAtForDenials(checked);
    const { denied, epoch } = await this.denials.status({ subject, tokenId: id, issuedAtSeconds });
    if (denied) return { active: false, reason: 'revoked' };
    return { active: true, principal: checked.principal, epoch };
  }

  private check(accessToken: string): Promise<CheckedToken> {
    const underWay = this.checksUnderWay.get(accessToken);
    if (underWay) return underWay;
    const check = this.tokenCheck.check(accessToken).finally(() => this.checksUnderWay.delete(accessToken));
    this.checksUnderWay.set(accessToken, check);
    return check;
  }
}

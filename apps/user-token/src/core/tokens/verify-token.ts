import {
  isCanonicalToken,
  type CanonicalToken,
  type InactiveReason,
  type RefusalLog,
  type Verdict,
} from '@app/contract';
import { Denials } from './denials.js';
import { issuedAtForDenials, TokenCheck, type CheckedToken } from './token-check.js';
import { tokenId } from './token-id.js';

/** Whether a token is active, and its principal. */
export class VerifyToken {
  private readonly checksUnderWay = new Map<CanonicalToken, Promise<CheckedToken>>();

  constructor(
    private readonly tokenCheck: TokenCheck,
    private readonly denials: Denials,
    private readonly refusals: RefusalLog,
  ) {}

  /**
   * @param requestId of the caller, where the log has none of its own
   * @throws {UpstreamUnavailable | Busy | DenialsUnknown} without a verdict
   */
  async execute(accessToken: string, requestId?: string): Promise<Verdict> {
    const refused = (reason: InactiveReason, detail?: string): Verdict => {
      this.refusals.refused(reason, accessToken, { requestId, detail });
      return { active: false, reason };
    };
    if (!isCanonicalToken(accessToken)) return refused('malformed');
    const id = tokenId(accessToken);
    const checked = await this.check(accessToken);
    if (!checked.active) return refused(checked.reason, checked.detail);
    // After the shared check, and for each caller: a denial between both counts.
    const { subject } = checked.principal;
    const issuedAtSeconds = issuedAtForDenials(checked);
    const { denied, epoch, generation } = await this.denials.status({
      subject,
      tokenId: id,
      issuedAtSeconds,
    });
    if (denied) return refused('revoked');
    return { active: true, principal: checked.principal, epoch, generation };
  }

  private check(accessToken: CanonicalToken): Promise<CheckedToken> {
    const underWay = this.checksUnderWay.get(accessToken);
    if (underWay) return underWay;
    const check = this.tokenCheck.check(accessToken).finally(() => this.checksUnderWay.delete(accessToken));
    this.checksUnderWay.set(accessToken, check);
    return check;
  }
}

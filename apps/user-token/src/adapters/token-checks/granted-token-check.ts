import type { CheckResult } from '@app/ops';
import type { InactiveReason } from '@app/contract';
import type { Log } from '../../core/log.js';
import { GrantCheck, type CheckedToken } from '../../core/tokens/token-check.js';

/** These reasons concern one user or one token; the others concern all tokens of the tenant. */
const OF_ONE: ReadonlySet<InactiveReason> = new Set<InactiveReason>([
  'expired',
  'invalid_subject',
  'revoked',
]);

/**
 * The check of tokens that were just granted. A fault of one is a fault of all, until an operator changes a setting or a clock, and
 * only a log-in shows it. So log and readiness name the fault of the last one.
 */
export class GrantedTokenCheck extends GrantCheck {
  private fault: string | undefined;

  constructor(
    private readonly tokenCheck: GrantCheck,
    private readonly log: Log,
  ) {
    super();
  }

  override async check(accessToken: string): Promise<CheckedToken> {
    const checked = await this.tokenCheck.check(accessToken);
    if (checked.active) this.tell(undefined);
    else if (!OF_ONE.has(checked.reason)) this.tell(checked.detail ?? checked.reason);
    return checked;
  }

  /** For readiness. */
  state(): CheckResult {
    if (this.fault === undefined) return { up: true };
    return { up: true, degraded: true, detail: `the last access token that was granted: ${this.fault}` };
  }

  private tell(fault: string | undefined): void {
    if (fault === this.fault) return;
    this.fault = fault;
    if (fault === undefined) this.log.info({}, 'granted access tokens verify here again');
    else this.log.warn({ detail: fault }, 'an access token that was just granted does not verify here');
  }
}

import type { CheckResult } from '@app/ops';
import type { InactiveReason } from '@app/contract';
import type { Log } from '../../core/log.js';
import { GrantCheck, type CheckedToken } from '../../core/token-check.js';

/** Of one user or one token; the others say that no token of the tenant is taken here. */
const OF_ONE: ReadonlySet<InactiveReason> = new Set<InactiveReason>([
  'expired',
  'invalid_subject',
  'revoked',
]);

/**
 * The check of tokens that were just granted. What is wrong with one is wrong with all of them until somebody changes a setting or
 * a clock, and nothing but a log-in shows it: so the last one is told of in log and readiness.
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
    if (fault === undefined) this.log.info({}, 'access tokens that are granted verify here again');
    else this.log.warn({ detail: fault }, 'an access token that was just granted does not verify here');
  }
}

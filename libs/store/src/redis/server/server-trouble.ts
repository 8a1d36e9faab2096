import { refusalCode } from '../connection/redis-refusal.js';
import type { StoreLog } from '../../store-log.js';

/** How long a refusal shows after a later check has found nothing: the check does not cover every request. */
const SHOWN_MS = 3_000;
/** The log gets recurring trouble once in this time. */
const TOLD_AGAIN_MS = 60_000;

/** The refusals of the current server: for readiness, and once for the log. */
export class ServerTrouble {
  private found: readonly string[] = [];
  private refusedAtMs = Number.NEGATIVE_INFINITY;
  private told: { readonly codes: string; readonly atMs: number } | undefined;
  private isTold = false;

  constructor(private readonly log: StoreLog | undefined) {}

  /** One sentence each; none if all is well. */
  get problems(): readonly string[] {
    return this.found;
  }

  /** The server has just refused a request. */
  refused(words: string): void {
    this.refusedAtMs = performance.now();
    const isKnown = this.found.some((problem) => refusalCode(problem) === refusalCode(words));
    if (!isKnown) this.become([...this.found, words]);
  }

  /** The result of another check. */
  checked(problems: readonly string[]): void {
    if (problems.length === 0 && performance.now() - this.refusedAtMs < SHOWN_MS) return;
    this.become(problems);
  }

  /** The result of a check of a possibly different server. */
  renewed(problems: readonly string[]): void {
    this.refusedAtMs = Number.NEGATIVE_INFINITY;
    this.become(problems);
  }

  private become(problems: readonly string[]): void {
    this.found = problems;
    if (problems.length > 0) {
      this.tell(problems);
      return;
    }
    if (this.isTold) this.log?.info('Redis does all that is asked of it again');
    this.isTold = false;
  }

  private tell(problems: readonly string[]): void {
    const codes = [...new Set(problems.map(refusalCode))].sort().join();
    const nowMs = performance.now();
    if (codes === this.told?.codes && (this.isTold || nowMs - this.told.atMs < TOLD_AGAIN_MS)) return;
    this.isTold = true;
    this.told = { codes, atMs: nowMs };
    this.log?.warn(
      `Redis does not do all that is asked of it, a new connection is tried each second: ${problems.join('; ')}`,
    );
  }
}

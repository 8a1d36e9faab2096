import type { CheckResult } from './health.module.js';

/** Smallest difference of clocks that is reported. */
const TOLD_FROM_MS = 2_000;
const LOOK_MS = 5_000;

/** Reports in log and readiness when this machine's clock and another one differ; the service tolerates it. */
export class ClockWatch {
  private told = false;
  private readonly looking = setInterval(() => this.look(), LOOK_MS).unref();

  /**
   * @param skewMs how far the other clock is ahead of ours (negative: behind); undefined while unknown
   * @param other owner of the other clock, as named in the log
   */
  constructor(
    private readonly skewMs: () => number | undefined,
    private readonly other: string,
    private readonly log: { info(text: string): void; warn(fields: object, text: string): void },
  ) {}

  /** For readiness: always up. */
  check(): CheckResult {
    const skewMs = this.look();
    return { up: true, ...(skewMs !== undefined && { detail: this.describe(skewMs) }) };
  }

  close(): void {
    clearInterval(this.looking);
  }

  private look(): number | undefined {
    const skewMs = this.skewMs();
    if (skewMs === undefined) return undefined;
    const differs = Math.abs(skewMs) >= TOLD_FROM_MS;
    if (differs && !this.told)
      this.log.warn(
        { skewMs: Math.round(skewMs) },
        `${this.describe(skewMs)}: check that NTP runs on both machines`,
      );
    if (!differs && this.told) this.log.info(this.describe(skewMs));
    this.told = differs;
    return skewMs;
  }

  private describe(skewMs: number): string {
    if (Math.abs(skewMs) < TOLD_FROM_MS) return `the clock agrees with that of ${this.other}`;
    const seconds = Math.round(Math.abs(skewMs) / 1000);
    return `the clock is ${seconds} s ${skewMs > 0 ? 'behind' : 'ahead of'} that of ${this.other}`;
  }
}

import type { CpuUs } from './cpu.js';

/** What one stretch of load showed. */
export interface Sample {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the service first. */
  readonly cpuUs: CpuUs;
}

/** What a row showed in each round, in the order of the rounds. */
export interface Measured<Row> {
  readonly row: Row;
  readonly rounds: readonly Sample[];
}

/** Rows in the order in which they come first. */
export class Measurements<Row> {
  private readonly samples = new Map<Row, Sample[]>();

  add(
    row: Row,
    round: number,
    label: string,
    { requests, requestsPerSecond, p50Ms, p99Ms, cpuUs }: Sample,
  ): void {
    const rounds = this.samples.get(row) ?? [];
    rounds.push({ requests, requestsPerSecond, p50Ms, p99Ms, cpuUs });
    this.samples.set(row, rounds);
    const cpu = Object.entries(cpuUs).map(([name, us]) => `${name} ${us.toFixed(1)}`);
    console.log(
      `round ${round + 1}  ${label.padEnd(56)} ${requestsPerSecond.toFixed(0).padStart(6)}/s  CPU us: ${cpu.join(', ')}`,
    );
  }

  list(): Measured<Row>[] {
    return [...this.samples].map(([row, rounds]) => ({ row, rounds }));
  }
}

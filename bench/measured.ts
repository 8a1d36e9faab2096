import type { CpuUs } from './cpu.js';
import { spread } from './statistics.js';

/** What one stretch of load showed. */
export interface Sample {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of the service first. */
  readonly cpuUs: CpuUs;
}

/** A sample, and that of the open route of the same platform, second by second in turn with it. */
export interface ComparedSample extends Sample {
  readonly open: Sample;
}

/** Slices of one sample as one. */
export function joined(slices: readonly Sample[]): Sample {
  const requests = sum(slices.map((slice) => slice.requests));
  const seconds = sum(slices.map((slice) => slice.requests / slice.requestsPerSecond));
  const processes = Object.keys(slices[0]!.cpuUs);
  const cpuUsOf = (name: string) =>
    sum(slices.map(({ cpuUs, requests: of }) => cpuUs[name]! * of)) / requests;
  return {
    requests,
    requestsPerSecond: requests / seconds,
    p50Ms: spread(slices.map(({ p50Ms }) => p50Ms)).median,
    p99Ms: spread(slices.map(({ p99Ms }) => p99Ms)).median,
    cpuUs: Object.fromEntries(processes.map((name) => [name, cpuUsOf(name)])),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** What a row showed in each round, in the order of the rounds. */
export interface Measured<Row, Taken extends Sample = Sample> {
  readonly row: Row;
  readonly rounds: readonly Taken[];
}

/** Rows in the order in which they come first. */
export class Measurements<Row, Taken extends Sample = Sample> {
  private readonly samples = new Map<Row, Taken[]>();

  add(row: Row, round: number, label: string, sample: Taken): void {
    this.samples.set(row, [...(this.samples.get(row) ?? []), sample]);
    const cpu = Object.entries(sample.cpuUs).map(([name, us]) => `${name} ${us.toFixed(1)}`);
    console.log(
      `round ${round + 1}  ${label.padEnd(56)} ${sample.requestsPerSecond.toFixed(0).padStart(6)}/s  CPU us: ${cpu.join(', ')}`,
    );
  }

  list(): Measured<Row, Taken>[] {
    return [...this.samples].map(([row, rounds]) => ({ row, rounds }));
  }
}

import { totalOf, type CpuUs } from './cpu.js';
import type { Flow } from './deployed/flows.js';
import type { MeasuredGuards } from './guards/guards.js';
import type { ComparedSample, Measured, Sample } from './measured.js';
import type { Memory } from './guards/memory.js';
import { rowOf, type Row, type Traffic } from './guards/rows.js';
import { spread, type Spread } from './statistics.js';
import type { VenueRow } from './deployed/venue.js';

/** What one run has measured; parts that were left out are absent. */
export interface Run {
  readonly guards?: MeasuredGuards;
  readonly memory?: Memory;
  readonly venue?: readonly Measured<VenueRow>[];
  readonly flows?: readonly Measured<Flow>[];
}

/** Of all rounds of a row. */
export interface Result {
  readonly title: string;
  readonly requestsPerSecond: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  /** CPU time of each process for one request, all threads, in microseconds. */
  readonly cpuUs: Readonly<Record<string, Spread>>;
  /** Of all these processes together. */
  readonly totalCpuUs: Spread;
}

export interface GuardResult extends Result, Row {
  /** Share of the open route of the same platform, compared within each round. */
  readonly shareOfOpen: Spread;
  /** CPU time of the service beyond that of the open route, for one request, compared within each round. */
  readonly cpuUsOverOpen: Spread;
}

export function resultOf({ row, rounds }: Measured<{ readonly title: string }>): Result {
  const over = (figure: (sample: Sample) => number) => spread(rounds.map(figure));
  const processes = Object.keys(rounds[0]!.cpuUs);
  return {
    title: row.title,
    requestsPerSecond: over((sample) => sample.requestsPerSecond),
    p50Ms: over((sample) => sample.p50Ms),
    p99Ms: over((sample) => sample.p99Ms),
    cpuUs: Object.fromEntries(processes.map((name) => [name, over((sample) => sample.cpuUs[name]!)])),
    totalCpuUs: over((sample) => totalOf(sample.cpuUs)),
  };
}

export function guardResultsOf({ rows }: MeasuredGuards): GuardResult[] {
  return rows.map((measured) => ({
    ...measured.row,
    ...resultOf(measured),
    shareOfOpen: spread(measured.rounds.map(shareOf)),
    cpuUsOverOpen: spread(measured.rounds.map((sample) => serviceCpuUs(sample) - serviceCpuUs(sample.open))),
  }));
}

/** How many times as many requests one server answers as another; each compared with the open route beside it, where it is the same. */
export function factor(guards: MeasuredGuards, server: string, other: string): Spread {
  const [one, its] = [rowOf(server), rowOf(other)];
  const figure = one.openRoute === its.openRoute ? shareOf : (sample: Sample) => sample.requestsPerSecond;
  return compared(roundsOf(guards, one), roundsOf(guards, its), (a, b) => figure(a) / figure(b));
}

/** CPU time of the service of one server against that of another, each by that of the open route beside it. */
export function cpuFactor(guards: MeasuredGuards, server: string, other: string, traffic: Traffic): Spread {
  const figure = (sample: ComparedSample) => serviceCpuUs(sample) / serviceCpuUs(sample.open);
  const rounds = (name: string) => roundsOf(guards, rowOf(name, traffic));
  return compared(rounds(server), rounds(other), (a, b) => figure(a) / figure(b));
}

function shareOf({ requestsPerSecond, open }: ComparedSample): number {
  return requestsPerSecond / open.requestsPerSecond;
}

/** Samples of the same round beside each other. */
export function compared<Taken extends Sample>(
  rounds: readonly Taken[],
  others: readonly Taken[],
  compare: (one: Taken, other: Taken) => number,
): Spread {
  return spread(rounds.map((sample, round) => compare(sample, others[round]!)));
}

/** Of the process that the load was sent to. */
export function serviceCpuUs({ cpuUs }: { readonly cpuUs: CpuUs }): number {
  return Object.values(cpuUs)[0]!;
}

function roundsOf({ rows }: MeasuredGuards, row: Row): readonly ComparedSample[] {
  return rows.find((candidate) => candidate.row === row)!.rounds;
}

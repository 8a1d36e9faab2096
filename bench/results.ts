import type { Memory } from './memory.js';
import { rowOf, type Row, type Traffic } from './rows.js';
import { spread, type Spread } from './statistics.js';
import type { Sample } from './load.js';

/** What a row showed in each round, in the order of the rounds. */
export interface Measured {
  readonly row: Row;
  readonly rounds: readonly (Sample & { readonly cpuUsPerRequest?: number | undefined })[];
}

export interface Run {
  readonly measured: readonly Measured[];
  readonly introspectionShaped: readonly { readonly requestsPerSecond: number; readonly p99Ms: number }[];
  readonly memory: Memory;
  /** `MEMORY USAGE` of an entry for a principal with 10 permissions. */
  readonly redisEntryBytes: number;
}

export interface RowResult extends Row {
  readonly requestsPerSecond: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  /** Share of the open route of the same platform, compared within each round. */
  readonly shareOfOpen: Spread;
  /** CPU time of the server process, all threads, for one request. */
  readonly cpuUsPerRequest?: Spread | undefined;
}

export function resultsOf({ measured }: Run): RowResult[] {
  return measured.map(({ row, rounds }) => {
    const open = roundsOf(
      measured,
      row.openRoute,
      row.traffic === 'refused token' ? 'one token' : row.traffic,
    );
    const cpu = rounds.map(({ cpuUsPerRequest }) => cpuUsPerRequest).filter((us) => us !== undefined);
    return {
      ...row,
      requestsPerSecond: spread(rounds.map(({ requestsPerSecond }) => requestsPerSecond)),
      p50Ms: spread(rounds.map(({ p50Ms }) => p50Ms)),
      p99Ms: spread(rounds.map(({ p99Ms }) => p99Ms)),
      shareOfOpen: spread(
        rounds.map(({ requestsPerSecond }, round) => requestsPerSecond / open[round]!.requestsPerSecond),
      ),
      ...(cpu.length > 0 && { cpuUsPerRequest: spread(cpu) }),
    };
  });
}

/** How many times as many requests one server answers as another, compared within each round. */
export function factor(run: Run, server: string, other: string, traffic: Traffic = 'one token'): Spread {
  const others = roundsOf(run.measured, other, traffic);
  return spread(
    roundsOf(run.measured, server, traffic).map(
      ({ requestsPerSecond }, round) => requestsPerSecond / others[round]!.requestsPerSecond,
    ),
  );
}

function roundsOf(measured: readonly Measured[], server: string, traffic: Traffic) {
  const row = rowOf(server, traffic);
  return measured.find((candidate) => candidate.row === row)!.rounds;
}

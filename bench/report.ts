import { factor, guardResultsOf, resultOf, type Result, type Run } from './results.js';
import type { MeasuredGuards } from './guards/guards.js';
import type { Spread } from './statistics.js';
import { targetsOf, type Target } from './targets.js';

/** What is printed at the end: every row, how much of each factor is the platform, and what was to be reached. */
export function reportOf(run: Run): string {
  const { guards, venue, flows } = run;
  return [
    ...(guards ? guardTables(guards) : []),
    ...(venue ? ['The deployed venue, in-process hits:', resultTable(venue.map(resultOf))] : []),
    ...(flows ? ['Use cases of the deployed suite:', resultTable(flows.map(resultOf))] : []),
    'To be reached:',
    table(
      ['', 'figure', 'limit', 'here'],
      targetsOf(run).map((target) => [
        target.reached ? 'yes' : 'NO',
        target.title,
        limit(target),
        value(target),
      ]),
    ),
  ].join('\n\n');
}

function guardTables(guards: MeasuredGuards): string[] {
  return [
    table(
      ['traffic', 'route', 'req/s', 'p99 ms', 'share of open', 'CPU us', 'over open'],
      guardResultsOf(guards).map((row) => [
        row.traffic,
        row.title,
        range(row.requestsPerSecond, 0),
        range(row.p99Ms, 1),
        range(row.shareOfOpen, 2),
        cpuOf(row, 1),
        range(row.cpuUsOverOpen, 1),
      ]),
    ),
    'In-process hit against ..., and how much of it is the platform:',
    table(
      ['peer', 'factor', 'platform', 'guard'],
      [
        ['jose', 'open'],
        ['fast-jwt', 'open'],
        ['passport-jwt', 'open'],
        ['express-oauth2-jwt-bearer', 'open-express'],
        ['fastify-jwt-jwks', 'open-fastify'],
      ].map(([peer, open]) => factorRow(guards, peer!, open!)),
    ),
  ];
}

function resultTable(results: readonly Result[]): string {
  return table(
    ['', 'per second', 'p50 ms', 'p99 ms', 'CPU us', 'together'],
    results.map((result) => [
      result.title,
      range(result.requestsPerSecond, 0),
      range(result.p50Ms, 1),
      range(result.p99Ms, 1),
      cpuOf(result, 0),
      range(result.totalCpuUs, 0),
    ]),
  );
}

function cpuOf({ cpuUs }: Result, digits: number): string {
  const processes = Object.entries(cpuUs);
  if (processes.length === 1) return range(processes[0]![1], digits);
  return processes.map(([name, us]) => `${name} ${us.median.toFixed(digits)}`).join(', ');
}

/** factor = platform x guard: the open routes compared, and what is left. */
function factorRow(guards: MeasuredGuards, peer: string, openRoute: string): string[] {
  const all = factor(guards, 'ours', peer);
  const platform = openRoute === 'open' ? 1 : factor(guards, 'open', openRoute).median;
  return [peer, range(all, 2), platform.toFixed(2), (all.median / platform).toFixed(2)];
}

export function range({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}-${max.toFixed(digits)})`;
}

function limit({ atLeast, below, unit }: Target): string {
  return atLeast !== undefined ? `>= ${rounded(atLeast)} ${unit}` : `<= ${rounded(below!)} ${unit}`;
}

function value({ value: here, unit }: Target): string {
  return `${rounded(here)} ${unit}`;
}

function rounded(number: number): string {
  return number >= 100 ? number.toFixed(0) : String(Number(number.toFixed(2)));
}

function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]!.length)),
  );
  return [head, ...lines]
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

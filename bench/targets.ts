import type { MeasuredGuards } from './guards/guards.js';
import type { Memory } from './guards/memory.js';
import {
  compared,
  cpuFactor,
  factor,
  guardResultsOf,
  resultOf,
  serviceCpuUs,
  type GuardResult,
  type Run,
} from './results.js';
import type { Traffic } from './guards/rows.js';
import { spread } from './statistics.js';

/** One figure that is to be reached. */
export interface Target {
  readonly title: string;
  readonly unit: 'x' | 'ms' | 'us' | 'req/s' | '/s' | 'MiB' | 'bytes';
  readonly atLeast?: number;
  readonly below?: number;
  readonly value: number;
  readonly reached: boolean;
}

/** Ory's published figures for Hydra's introspection on two cores, `hey -n 10000 -c 100`. */
const HYDRA = { requestsPerSecond: 7_934, p99Ms: 38.5 };
const MIB = 1024 * 1024;

export function targetsOf({ guards, memory, venue, flows }: Run): Target[] {
  return [
    ...(guards ? guardTargets(guards) : []),
    ...(memory ? memoryTargets(memory) : []),
    ...(venue ? venueTargets(venue) : []),
    ...(flows ? flowTargets(flows) : []),
  ];
}

function guardTargets(guards: MeasuredGuards): Target[] {
  const results = guardResultsOf(guards);
  const result = (server: string, traffic: Traffic = 'one token'): GuardResult =>
    results.find((row) => row.server === server && row.traffic === traffic)!;
  const overOpen = (server: string, traffic?: Traffic) => result(server, traffic).cpuUsOverOpen.median;
  const times = (other: string) => factor(guards, 'ours', other).median;
  const introspection = guards.introspectionShaped;
  return [
    below('in-process hit, CPU over the open route', 2.5, 'us', overOpen('ours')),
    below(
      'in-process hit of 1,000 tokens, CPU over the open route',
      4,
      'us',
      overOpen('ours', '1,000 tokens'),
    ),
    below('refused token, CPU over the open route', 6, 'us', overOpen('ours', 'refused token')),
    below('Redis hit with epoch, CPU over the open route', 12, 'us', overOpen('ours-redis')),
    below(
      'unknown token, CPU of the service, against jose in a guard',
      0.85,
      'x',
      cpuFactor(guards, 'ours-cold', 'jose', 'unknown tokens').median,
    ),
    below(
      'unknown token, CPU of service, user-token and Redis',
      190,
      'us',
      result('ours-cold', 'unknown tokens').totalCpuUs.median,
    ),
    atLeast('in-process hit, against jose in a guard', 2.1, 'x', times('jose')),
    atLeast('in-process hit, against fast-jwt with its cache', 1.15, 'x', times('fast-jwt')),
    atLeast('in-process hit, against express-oauth2-jwt-bearer', 6, 'x', times('express-oauth2-jwt-bearer')),
    atLeast('in-process hit, against passport-jwt + jwks-rsa', 7.5, 'x', times('passport-jwt')),
    below('in-process hit, p99 at 50 connections', 5, 'ms', result('ours').p99Ms.median),
    below('Redis hit, p99 at 50 connections', 8, 'ms', result('ours-redis').p99Ms.median),
    atLeast(
      'Redis hit, hey -n 10000 -c 100',
      HYDRA.requestsPerSecond,
      'req/s',
      spread(introspection.map(({ requestsPerSecond }) => requestsPerSecond)).median,
    ),
    below(
      'Redis hit, hey -n 10000 -c 100, p99',
      HYDRA.p99Ms,
      'ms',
      spread(introspection.map(({ p99Ms }) => p99Ms)).median,
    ),
    below('entry in Redis, 10 permissions (MEMORY USAGE)', 1024, 'bytes', guards.redisEntryBytes),
  ];
}

function memoryTargets({ tokens, processHeapGrowthBytes }: Memory): Target[] {
  return [below(`heap growth of a service after ${tokens} tokens`, 50, 'MiB', processHeapGrowthBytes / MIB)];
}

function venueTargets(venue: NonNullable<Run['venue']>): Target[] {
  const of = (accessLog: string) => venue.find(({ row }) => row.accessLog === accessLog)!;
  const [on, off] = [of('all'), of('off')];
  return [
    atLeast(
      'deployed venue, access log on, requests against the same without',
      0.8,
      'x',
      compared(on.rounds, off.rounds, (one, other) => one.requestsPerSecond / other.requestsPerSecond).median,
    ),
    below(
      'deployed venue, CPU of the access log',
      10,
      'us',
      compared(on.rounds, off.rounds, (one, other) => serviceCpuUs(one) - serviceCpuUs(other)).median,
    ),
    below(
      'deployed venue, access log on, p99 at 50 connections',
      6,
      'ms',
      spread(on.rounds.map(({ p99Ms }) => p99Ms)).median,
    ),
  ];
}

function flowTargets(flows: NonNullable<Run['flows']>): Target[] {
  const of = (title: string) => resultOf(flows.find(({ row }) => row.title === title)!);
  const introspection = of('introspection by an OAuth client');
  return [
    atLeast('log-ins', 400, '/s', of('log-in').requestsPerSecond.median),
    atLeast('refreshes', 1_000, '/s', of('refresh').requestsPerSecond.median),
    atLeast('introspections', 2_500, '/s', introspection.requestsPerSecond.median),
    below('refresh, CPU of gateway, user-token and Redis', 1_200, 'us', of('refresh').totalCpuUs.median),
  ];
}

function atLeast(title: string, limit: number, unit: Target['unit'], value: number): Target {
  return { title, unit, atLeast: limit, value, reached: value >= limit };
}

function below(title: string, limit: number, unit: Target['unit'], value: number): Target {
  return { title, unit, below: limit, value, reached: value <= limit };
}

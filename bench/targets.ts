import { factor, resultsOf, type RowResult, type Run } from './results.js';
import type { Traffic } from './rows.js';
import { spread } from './statistics.js';

/** One figure that is to be reached. */
export interface Target {
  readonly title: string;
  readonly unit: 'x' | 'ms' | 'us' | 'req/s' | 'MiB' | 'bytes';
  readonly atLeast?: number;
  readonly below?: number;
  readonly value: number;
  readonly reached: boolean;
}

/** Ory's published figures for Hydra's introspection on two cores, `hey -n 10000 -c 100`. */
const HYDRA = { requestsPerSecond: 7_934, p99Ms: 38.5 };
const MIB = 1024 * 1024;

export function targetsOf(run: Run): Target[] {
  const results = resultsOf(run);
  const result = (server: string, traffic?: Traffic): RowResult =>
    results.find((row) => row.server === server && row.traffic === (traffic ?? 'one token'))!;
  const share = (server: string, traffic?: Traffic) => result(server, traffic).shareOfOpen.median;
  const p99 = (server: string) => result(server).p99Ms.median;
  const cpu = (server: string, traffic: Traffic) => result(server, traffic).cpuUsPerRequest?.median;
  const times = (other: string) => factor(run, 'ours', other).median;
  const introspection = {
    requestsPerSecond: spread(run.introspectionShaped.map(({ requestsPerSecond }) => requestsPerSecond))
      .median,
    p99Ms: spread(run.introspectionShaped.map(({ p99Ms }) => p99Ms)).median,
  };
  const coldCpu = cpu('ours-cold', 'unknown tokens');
  const joseCpu = cpu('jose', 'unknown tokens');
  return [
    atLeast('in-process hit, share of the open route', 0.92, 'x', share('ours')),
    atLeast(
      'in-process hit, 1,000 tokens, share of the open route',
      0.88,
      'x',
      share('ours', '1,000 tokens'),
    ),
    atLeast('Redis hit with epoch, share of the open route', 0.8, 'x', share('ours-redis')),
    atLeast('refused token, share of the open route', 0.7, 'x', share('ours', 'refused token')),
    atLeast(
      'unknown token, against jose in a guard',
      0.9,
      'x',
      factor(run, 'ours-cold', 'jose', 'unknown tokens').median,
    ),
    ...(coldCpu !== undefined && joseCpu !== undefined
      ? [
          below(
            'unknown token, CPU of the service for one request, against jose in a guard',
            joseCpu,
            'us',
            coldCpu,
          ),
        ]
      : []),
    atLeast('in-process hit, against jose in a guard', 2.1, 'x', times('jose')),
    atLeast('in-process hit, against fast-jwt with its cache', 1.15, 'x', times('fast-jwt')),
    atLeast('in-process hit, against express-oauth2-jwt-bearer', 6, 'x', times('express-oauth2-jwt-bearer')),
    atLeast('in-process hit, against passport-jwt + jwks-rsa', 7.5, 'x', times('passport-jwt')),
    below('in-process hit, p99 at 50 connections', 5, 'ms', p99('ours')),
    below('Redis hit, p99 at 50 connections', 8, 'ms', p99('ours-redis')),
    atLeast(
      'Redis hit, hey -n 10000 -c 100',
      HYDRA.requestsPerSecond,
      'req/s',
      introspection.requestsPerSecond,
    ),
    below('Redis hit, hey -n 10000 -c 100, p99', HYDRA.p99Ms, 'ms', introspection.p99Ms),
    below(
      `heap growth of a service after ${run.memory.tokens} tokens`,
      50,
      'MiB',
      run.memory.processHeapGrowthBytes / MIB,
    ),
    below('entry in Redis, 10 permissions (MEMORY USAGE)', 1024, 'bytes', run.redisEntryBytes),
  ];
}

function atLeast(title: string, limit: number, unit: Target['unit'], value: number): Target {
  return { title, unit, atLeast: limit, value, reached: value >= limit };
}

function below(title: string, limit: number, unit: Target['unit'], value: number): Target {
  return { title, unit, below: limit, value, reached: value <= limit };
}

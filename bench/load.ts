import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What one stretch of load showed. */
export interface LoadSample {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly requests: number;
  /** Answers with a status of 400 or more. */
  readonly refused: number;
}

interface WrkSummary {
  readonly requests: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly refused: number;
  readonly failed: number;
}

/** The compiled benchmark is in bench/dist/bench. */
const SCRIPT = join(import.meta.dirname, '../../wrk.lua');

/**
 * Keep-alive load by wrk: one thread, `connections` connections, the tokens of a file (one a line) in turn.
 *
 * @throws when a request got no answer
 */
export async function load(
  port: number,
  { tokensFile, seconds, connections = 50 }: { tokensFile: string; seconds: number; connections?: number },
): Promise<LoadSample> {
  const { stdout } = await run(
    'wrk',
    ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', SCRIPT, `http://127.0.0.1:${port}`],
    { env: { ...process.env, TOKENS: tokensFile } },
  );
  const summary = JSON.parse(stdout.trim().split('\n').at(-1)!) as WrkSummary;
  if (summary.failed > 0) throw new Error(`${summary.failed} requests got no answer`);
  return {
    requestsPerSecond: summary.requests / (summary.durationUs / 1e6),
    p50Ms: summary.p50Us / 1000,
    p99Ms: summary.p99Us / 1000,
    requests: summary.requests,
    refused: summary.refused,
  };
}

/** `hey -n 10000 -c 100`, the load under which Ory publishes figures for Hydra's introspection. */
export async function hey(
  port: number,
  token: string,
): Promise<{ requestsPerSecond: number; p99Ms: number }> {
  const { stdout } = await run('hey', [
    ...['-n', '10000', '-c', '100', '-o', 'csv'],
    ...['-H', `Authorization: Bearer ${token}`],
    `http://127.0.0.1:${port}/venues`,
  ]);
  // response-time,DNS+dialup,DNS,Request-write,Response-delay,Response-read,status-code,offset; seconds
  const rows = stdout
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number));
  const failed = rows.filter((row) => row[6] !== 200).length;
  if (failed > 0 || rows.length !== 10_000) throw new Error(`hey: ${rows.length} answers, ${failed} not 200`);
  const durations = rows.map((row) => row[0]!).sort((a, b) => a - b);
  const elapsedSeconds = Math.max(...rows.map((row) => row[7]! + row[0]!));
  return { requestsPerSecond: rows.length / elapsedSeconds, p99Ms: 1000 * durations[9_900]! };
}

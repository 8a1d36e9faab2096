// npm run bench: real processes under load, all alive at once, rows in turn, the order reversed in every other round.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { RedisServer } from '../test/support/redis-server.js';
import { ServiceProcess } from '../test/support/service-process.js';
import { chartOf } from './chart.js';
import { AUDIENCE, startIssuer } from './issuer.js';
import { hey, load } from './load.js';
import { measureMemory } from './memory.js';
import { reportOf } from './report.js';
import { resultsOf, type Measured, type Run } from './results.js';
import { rows, type Row, type Traffic } from './rows.js';
import { cpuMs, ServerProcess } from './server-process.js';
import { targetsOf } from './targets.js';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);
const WARM_UP_SECONDS = 2;
/** One cycle of these takes longer than `ours-cold` remembers a token. */
const UNKNOWN_TOKENS = 20_000;
const RESULTS = 'bench/results';

for (const tool of ['wrk', 'hey', 'redis-server']) {
  if (spawnSync(tool, ['--version'], { stdio: 'ignore' }).error) {
    console.error(`npm run bench needs ${tool} on PATH (Debian: apt-get install wrk hey redis-server).`);
    process.exit(1);
  }
}

const directory = await mkdtemp(join(tmpdir(), 'bench-'));
const [issuer, redis] = await Promise.all([startIssuer(), RedisServer.start()]);
const userToken = await ServiceProcess.start('user-token', {
  AUTH0_ISSUER_URL: issuer.url,
  REDIS_URL: redis.url,
  NODE_ENV: 'production',
  // As the servers that are compared.
  NODE_OPTIONS: '--max-semi-space-size=64',
});
const environment = {
  ISSUER: issuer.url,
  AUDIENCE,
  REDIS_URL: redis.url,
  USER_TOKEN_URL: `tcp://127.0.0.1:${userToken.port}`,
  TOKEN_CACHE_SECRET: 'bench-token-cache-secret-0123456789-0123',
};
const servers = new Map<string, ServerProcess>();

try {
  const run = await measure();
  const results = {
    date: new Date().toISOString(),
    machine: { node: process.version, cores: cpus().length, cpu: cpus()[0]?.model, memoryBytes: totalmem() },
    load: { rounds: ROUNDS, secondsPerSample: SECONDS, connections: 50, tool: 'wrk -t1' },
    rows: resultsOf(run),
    introspectionShaped: run.introspectionShaped,
    memory: { ...run.memory, redisEntryBytes: run.redisEntryBytes },
    targets: targetsOf(run),
  };
  await mkdir(RESULTS, { recursive: true });
  await writeFile(join(RESULTS, 'latest.json'), `${JSON.stringify(results, undefined, 2)}\n`);
  await writeFile(join(RESULTS, 'latest.svg'), chartOf(run));
  console.log(`\n${reportOf(run)}\n\nWritten to ${RESULTS}/latest.json and ${RESULTS}/latest.svg.`);
} finally {
  for (const server of servers.values()) server.stop();
  await userToken.stop('SIGKILL');
  await redis.stop();
  issuer.close();
  await rm(directory, { recursive: true });
}

async function measure(): Promise<Run> {
  console.log(`Signing ${UNKNOWN_TOKENS} tokens ...`);
  const tokens = await issuer.mint(UNKNOWN_TOKENS);
  const files = await writeTokens(tokens);
  for (const name of new Set(rows.map(({ server }) => server))) {
    const server = await ServerProcess.start(name, environment);
    servers.set(name, server);
    await checkAnswers(name, server, tokens[0]!);
    await load(server.port, { tokensFile: files['1,000 tokens'], seconds: WARM_UP_SECONDS });
  }
  const redisEntryBytes = await entryBytes();

  const measured = new Map<Row, Measured['rounds'][number][]>(rows.map((row) => [row, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const row of round % 2 === 0 ? rows : [...rows].reverse()) {
      const sample = await sampleOf(row, files[row.traffic]);
      measured.get(row)!.push(sample);
      console.log(
        `round ${round + 1}  ${row.traffic.padEnd(14)}  ${row.title.padEnd(40)} ${sample.requestsPerSecond.toFixed(0)} req/s`,
      );
    }
  }

  const introspectionShaped = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    introspectionShaped.push(await hey(servers.get('ours-redis')!.port, tokens[0]!));
  }
  console.log('Sending 100,000 different tokens ...');
  const memory = await measureMemory(redis, environment, join(directory, 'memory'));
  return {
    measured: [...measured].map(([row, rounds]) => ({ row, rounds })),
    introspectionShaped,
    memory,
    redisEntryBytes,
  };
}

async function writeTokens(tokens: readonly string[]): Promise<Record<Traffic, string>> {
  const lines: Record<Traffic, readonly string[]> = {
    'one token': tokens.slice(0, 1),
    '1,000 tokens': tokens.slice(0, 1_000),
    'unknown tokens': tokens,
    'refused token': [tampered(tokens[0]!)],
  };
  const files = Object.keys(lines).map((traffic) => [traffic, join(directory, traffic.replace(/\W/g, '-'))]);
  for (const [traffic, file] of files) await writeFile(file!, lines[traffic as Traffic].join('\n'));
  return Object.fromEntries(files) as Record<Traffic, string>;
}

/** A figure counts only if the server does its work: lets in what is valid, and nothing else. */
async function checkAnswers(name: string, server: ServerProcess, token: string): Promise<void> {
  const status = async (authorization?: string) => {
    const headers = authorization ? { authorization } : undefined;
    const response = await fetch(`http://127.0.0.1:${server.port}/venues`, { ...(headers && { headers }) });
    return response.status;
  };
  const answers = [
    await status(`Bearer ${token}`),
    await status(`Bearer ${tampered(token)}`),
    await status(),
  ];
  const guarded = !name.startsWith('open') && !name.startsWith('guard-');
  const right = guarded ? [200, 401, 401] : [200, 200, 200];
  if (answers.join() !== right.join()) {
    throw new Error(
      `${name} answers ${answers.join()} to a valid, a tampered and no token, not ${right.join()}`,
    );
  }
}

async function sampleOf(row: Row, tokensFile: string): Promise<Measured['rounds'][number]> {
  const server = servers.get(row.server)!;
  await load(server.port, { tokensFile, seconds: 1 });
  const cpuBefore = await cpuMs(server.pid);
  const sample = await load(server.port, { tokensFile, seconds: SECONDS });
  const cpuAfter = await cpuMs(server.pid);
  const expected = row.traffic === 'refused token' ? sample.requests : 0;
  if (sample.refused !== expected) {
    throw new Error(`${row.title}, ${row.traffic}: ${sample.refused} of ${sample.requests} were refused`);
  }
  const cpuUsPerRequest =
    cpuBefore === undefined || cpuAfter === undefined
      ? undefined
      : (1000 * (cpuAfter - cpuBefore)) / sample.requests;
  return { ...sample, cpuUsPerRequest };
}

async function entryBytes(): Promise<number> {
  const key = (await redis.cli('--scan', '--pattern', '*:tok:v2:*')).split('\n')[0]!;
  return Number(await redis.cli('MEMORY', 'USAGE', key));
}

function tampered(token: string): string {
  const end = token.lastIndexOf('.') + 1;
  return token.slice(0, end) + (token[end] === 'A' ? 'B' : 'A') + token.slice(end + 1);
}

// npm run bench: real processes under load, new ones in every round, in an order that turns.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { chartOf } from './chart.js';
import { measureVenue } from './deployed/venue.js';
import { measureFlows } from './deployed/flows.js';
import { measureGuards } from './guards/guards.js';
import { startIssuer } from './issuer.js';
import { measureMemory } from './guards/memory.js';
import { reportOf } from './report.js';
import { guardResultsOf, resultOf, type Run } from './results.js';
import { targetsOf } from './targets.js';

const PARTS = ['guards', 'venue', 'flows', 'memory'] as const;
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 4);
const RESULTS = 'bench/results';

const chosen = process.argv.slice(2);
const unknown = chosen.filter((part) => !PARTS.some((known) => known === part));
if (unknown.length > 0) {
  console.error(
    `npm run bench has no part ${unknown.join(', ')}: choose from ${PARTS.join(', ')}, or none for all.`,
  );
  process.exit(1);
}
for (const tool of ['wrk', 'hey', 'redis-server']) {
  if (spawnSync(tool, ['--version'], { stdio: 'ignore' }).error) {
    console.error(`npm run bench needs ${tool} on PATH (Debian: apt-get install wrk hey redis-server).`);
    process.exit(1);
  }
}

const directory = await mkdtemp(join(tmpdir(), 'bench-'));
const issuer = await startIssuer(join(directory, 'ca.pem'));
try {
  const run = await measure();
  console.log(`\n${reportOf(run)}`);
  if (chosen.length === 0) await keep(run);
} finally {
  issuer.close();
  await rm(directory, { recursive: true });
}

async function measure(): Promise<Run> {
  const wanted = (part: (typeof PARTS)[number]) => chosen.length === 0 || chosen.includes(part);
  const load = { rounds: ROUNDS, seconds: SECONDS };
  return {
    ...(wanted('guards') && { guards: await measureGuards(issuer, directory, load) }),
    ...(wanted('venue') && { venue: await measureVenue(issuer, directory, load) }),
    ...(wanted('flows') && { flows: await measureFlows(issuer, directory, load) }),
    ...(wanted('memory') && { memory: await measureMemory(issuer, directory) }),
  };
}

async function keep(run: Run): Promise<void> {
  const { guards, venue = [], flows = [], memory } = run;
  const results = {
    date: new Date().toISOString(),
    machine: { node: process.version, cores: cpus().length, cpu: cpus()[0]?.model, memoryBytes: totalmem() },
    load: { rounds: ROUNDS, secondsPerSample: SECONDS, connections: 50, tool: 'wrk -t1' },
    guards: guardResultsOf(guards!),
    introspectionShaped: guards!.introspectionShaped,
    venue: venue.map(resultOf),
    flows: flows.map(resultOf),
    memory: { ...memory, redisEntryBytes: guards!.redisEntryBytes },
    targets: targetsOf(run),
  };
  await mkdir(RESULTS, { recursive: true });
  await writeFile(join(RESULTS, 'latest.json'), `${JSON.stringify(results, undefined, 2)}\n`);
  await writeFile(join(RESULTS, 'latest.svg'), chartOf(guardResultsOf(guards!)));
  console.log(`\nWritten to ${RESULTS}/latest.json and ${RESULTS}/latest.svg.`);
}

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withCpu } from '../cpu.js';
import { Deployment } from '../deployed/deployment.js';
import { AUDIENCE, type Issuer } from '../issuer.js';
import { hey, load } from '../load.js';
import { joined, Measurements, type ComparedSample, type Measured, type Sample } from '../measured.js';
import { rows, type Row, type Traffic } from './rows.js';
import { ServerProcess } from './server-process.js';

const WARM_UP_SECONDS = 2;
/** One cycle of these takes longer than `ours-cold` remembers a token. */
const UNKNOWN_TOKENS = 20_000;

export interface MeasuredGuards {
  readonly rows: readonly Measured<Row, ComparedSample>[];
  readonly introspectionShaped: readonly { readonly requestsPerSecond: number; readonly p99Ms: number }[];
  /** `MEMORY USAGE` of an entry for a principal with 10 permissions. */
  readonly redisEntryBytes: number;
}

/** Every server in a new process in every round; the order is reversed in every other round, so that what drifts hits all alike. */
export async function measureGuards(
  issuer: Issuer,
  directory: string,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<MeasuredGuards> {
  console.log(`Signing ${UNKNOWN_TOKENS} tokens ...`);
  const tokens = await issuer.mint(UNKNOWN_TOKENS);
  const files = await writeTokens(directory, tokens);
  const servers = [...new Set(rows.map(({ server }) => server))];
  const measurements = new Measurements<Row, ComparedSample>();
  const introspectionShaped: MeasuredGuards['introspectionShaped'][number][] = [];
  let redisEntryBytes = 0;
  for (let round = 0; round < rounds; round += 1) {
    await using deployment = await Deployment.start(issuer, directory);
    const start = async (name: string) => {
      const server = await ServerProcess.start(name, serverEnvironment(deployment));
      await checkAnswers(name, server, tokens[0]!);
      await load(server.port, { tokensFile: files['1,000 tokens'], seconds: WARM_UP_SECONDS });
      return server;
    };
    for (const name of round % 2 === 0 ? servers : servers.toReversed()) {
      const ofServer = rows.filter(({ server }) => server === name);
      using server = await start(name);
      using open = await start(ofServer[0]!.openRoute);
      for (const row of ofServer) {
        const sample = await compare(row, server, open, deployment, files, seconds);
        measurements.add(row, round, `${row.title}, ${row.traffic}`, sample);
      }
      if (name === 'ours-redis') introspectionShaped.push(await hey(server.port, tokens[0]!));
    }
    redisEntryBytes = await entryBytes(deployment);
  }
  return { rows: measurements.list(), introspectionShaped, redisEntryBytes };
}

/** What a server of bench/servers is told. */
export function serverEnvironment({ guard }: Deployment): Record<string, string> {
  const { AUTH0_ISSUER_URL, REDIS_URL, USER_TOKEN_URL, TOKEN_CACHE_SECRET, NODE_EXTRA_CA_CERTS } = guard;
  return {
    ISSUER: AUTH0_ISSUER_URL,
    AUDIENCE,
    REDIS_URL,
    USER_TOKEN_URL,
    TOKEN_CACHE_SECRET,
    NODE_EXTRA_CA_CERTS,
  };
}

async function writeTokens(directory: string, tokens: readonly string[]): Promise<Record<Traffic, string>> {
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

/** Second by second in turn with the open route, for a machine that others use, too, is fast in one second and slow in the next. */
async function compare(
  row: Row,
  server: ServerProcess,
  open: ServerProcess,
  { userToken, redis }: Deployment,
  files: Readonly<Record<Traffic, string>>,
  seconds: number,
): Promise<ComparedSample> {
  const asksOthers = row.traffic === 'unknown tokens' && row.kind === 'ours';
  const others = asksOthers ? { 'user-token': userToken.pid, redis: redis.pid } : {};
  const tokensFile = files[row.traffic];
  const openTokensFile = files[row.traffic === 'refused token' ? 'one token' : row.traffic];
  for (const [{ port }, file] of [[server, tokensFile] as const, [open, openTokensFile] as const])
    await load(port, { tokensFile: file, seconds: 1 });
  const [slices, openSlices]: [Sample[], Sample[]] = [[], []];
  for (let second = 0; second < seconds; second += 1) {
    const sample = await withCpu({ service: server.pid, ...others }, () =>
      load(server.port, { tokensFile, seconds: 1 }),
    );
    const expected = row.traffic === 'refused token' ? sample.requests : 0;
    if (sample.refused !== expected) {
      throw new Error(`${row.title}, ${row.traffic}: ${sample.refused} of ${sample.requests} were refused`);
    }
    slices.push(sample);
    openSlices.push(
      await withCpu({ service: open.pid }, () => load(open.port, { tokensFile: openTokensFile, seconds: 1 })),
    );
  }
  return { ...joined(slices), open: joined(openSlices) };
}

async function entryBytes({ redis }: Deployment): Promise<number> {
  const key = (await redis.cli('--scan', '--pattern', '*:tok:v2:*')).split('\n')[0]!;
  return Number(await redis.cli('MEMORY', 'USAGE', key));
}

function tampered(token: string): string {
  const end = token.lastIndexOf('.') + 1;
  return token.slice(0, end) + (token[end] === 'A' ? 'B' : 'A') + token.slice(end + 1);
}

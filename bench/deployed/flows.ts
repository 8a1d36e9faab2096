import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { withCpu } from '../cpu.js';
import { Deployment } from './deployment.js';
import type { Issuer } from '../issuer.js';
import { Measurements, type Measured } from '../measured.js';

const run = promisify(execFile);
/** The compiled benchmark is in bench/dist/bench. */
const SCRIPT = join(import.meta.dirname, '../../../deployed/flow.lua');

/** A use case, as flow.lua sends it: `{}` stands for what is sent. */
export interface Flow {
  readonly title: string;
  readonly method: 'GET' | 'POST';
  readonly address: string;
  readonly authorization?: string;
  readonly contentType?: string;
  readonly content?: string;
  readonly expected: number;
  readonly turns: 'once' | 'cycle' | 'again';
  /** Member of the answer that the next use case sends. */
  readonly keep?: string;
}

/** The most that a user can have (MAX_SESSIONS of user-token). */
const SESSIONS = 64;
const BUSY_USER = 'busy-user';
const USERS = 2_500;
const CLIENT_USERS = 1_000;
const WARM_UP_USERS = 500;
const TOKENS_PER_USER = 8;
const WARM_UP_SECONDS = 1;
/** The next whole second after that in which a user-token has found its Redis empty. */
const KNOWN_AFTER_MS = 2_000;

const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const CLIENT = `Basic ${Buffer.from('bench-client:s').toString('base64')}`;
/** One client, whose secret is `s`. */
const CLIENTS = `clients:
  - client_id: bench-client
    grant_types: [password, refresh_token]
    scope: read:venues
    secrets:
      - hash: sha256$AAAAAAAAAAAAAAAAAAAAAA$u5hpOAFKkWlx76Rpor85davwYcFSHRLlNnXX7iaSZbQ
`;

const logIn: Flow = {
  title: 'log-in',
  method: 'POST',
  address: '/auth/login',
  contentType: JSON_TYPE,
  content: '{"username":"{}","password":"bench-password"}',
  expected: 200,
  turns: 'once',
  keep: 'access_token',
};
const refresh: Flow = {
  title: 'refresh',
  method: 'POST',
  address: '/auth/refresh',
  authorization: 'Bearer {}',
  expected: 200,
  turns: 'again',
  keep: 'access_token',
};
const introspection: Flow = {
  title: 'introspection by an OAuth client',
  method: 'POST',
  address: '/oauth2/introspect',
  authorization: CLIENT,
  contentType: FORM_TYPE,
  content: 'token={}',
  expected: 200,
  turns: 'cycle',
};
const logOut: Flow = {
  title: 'log-out',
  method: 'POST',
  address: '/auth/logout',
  authorization: 'Bearer {}',
  expected: 204,
  turns: 'once',
};
const clientLogIn: Flow = {
  title: 'log-in by an OAuth client',
  method: 'POST',
  address: '/oauth2/token',
  authorization: CLIENT,
  contentType: FORM_TYPE,
  content: 'grant_type=password&username={}&password=bench-password',
  expected: 200,
  turns: 'once',
  keep: 'refresh_token',
};
const clientRefresh: Flow = {
  title: 'refresh by an OAuth client',
  method: 'POST',
  address: '/oauth2/token',
  authorization: CLIENT,
  contentType: FORM_TYPE,
  content: 'grant_type=refresh_token&refresh_token={}',
  expected: 200,
  turns: 'again',
  keep: 'refresh_token',
};
const sessionList: Flow = {
  title: `list of ${SESSIONS} sessions`,
  method: 'GET',
  address: '/auth/sessions',
  authorization: 'Bearer {}',
  expected: 200,
  turns: 'cycle',
};

/** Use cases of the deployed gateway, with a gateway, a user-token and a Redis of their own in every round. */
export async function measureFlows(
  issuer: Issuer,
  directory: string,
  { rounds, seconds }: { rounds: number; seconds: number },
): Promise<Measured<Flow>[]> {
  const users = names('user', USERS);
  const clientUsers = names('client-user', CLIENT_USERS);
  const warmUpUsers = names('warm-up', WARM_UP_USERS);
  const clientsFile = join(directory, 'clients.yaml');
  await writeFile(clientsFile, CLIENTS);

  const measurements = new Measurements<Flow>();
  for (let round = 0; round < rounds; round += 1) {
    await using deployment = await Deployment.start(issuer, directory);
    // Tokens that are older than what a new Redis knows would have to be admitted one by one.
    await delay(KNOWN_AFTER_MS);
    console.log('Signing what the issuer gives out ...');
    await issuer.prepare([...users, ...clientUsers], TOKENS_PER_USER);
    await issuer.prepare(warmUpUsers, 1);
    await issuer.prepare([BUSY_USER], SESSIONS);
    const gateway = await deployment.startService('gateway', {
      GATEWAY_CLIENTS: clientsFile,
      GATEWAY_PUBLIC_URL: 'https://login.bench.example',
    });
    const pids = {
      gateway: gateway.pid,
      'user-token': deployment.userToken.pid,
      redis: deployment.redis.pid,
    };
    const send = (flow: Flow, input: readonly string[], options: SendOptions = { seconds }) =>
      sendFlow(gateway.port, directory, flow, input, options);
    const measure = async (flow: Flow, input: readonly string[]) => {
      const sample = await withCpu(pids, () => send(flow, input));
      measurements.add(flow, round, flow.title, sample);
      return sample.kept;
    };
    const warmUp = async (flow: Flow, input: readonly string[]) =>
      (await send(flow, input, { seconds: WARM_UP_SECONDS })).kept;

    await send(logIn, warmUpUsers, { seconds, connections: 8 });
    const sessions = await measure(logIn, users);
    const refreshed = await measure(refresh, await warmUp(refresh, sessions));
    await warmUp(introspection, refreshed);
    await measure(introspection, refreshed);
    const clientSessions = await measure(clientLogIn, clientUsers);
    await measure(clientRefresh, await warmUp(clientRefresh, clientSessions));
    const [busy] = (await send(logIn, Array<string>(SESSIONS).fill(BUSY_USER))).kept;
    await warmUp(sessionList, [busy!]);
    await measure(sessionList, [busy!]);
    const some = Math.ceil(refreshed.length / 4);
    await send(logOut, refreshed.slice(0, some));
    await measure(logOut, refreshed.slice(some));
  }
  return measurements.list();
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

interface SendOptions {
  /** The most; a flow whose turns are `once` ends before, with its input. */
  readonly seconds: number;
  readonly connections?: number;
}

interface FlowSummary {
  readonly requests: number;
  readonly durationUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly wrong: number;
  readonly firstWrong: string;
  readonly failed: number;
}

/** @throws when an answer was not what is expected: a use case that fails is none */
async function sendFlow(
  port: number,
  directory: string,
  flow: Flow,
  input: readonly string[],
  { seconds, connections = 50 }: SendOptions,
) {
  const [inputFile, outputFile] = [join(directory, 'input'), join(directory, 'output')];
  await writeFile(inputFile, input.join('\n'));
  const { stdout } = await run(
    'wrk',
    ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', SCRIPT, `http://127.0.0.1:${port}`],
    {
      env: {
        PATH: process.env['PATH'],
        METHOD: flow.method,
        ADDRESS: flow.address,
        TURNS: flow.turns,
        EXPECTED: String(flow.expected),
        INPUT: inputFile,
        OUTPUT: outputFile,
        ...(flow.authorization && { AUTHORIZATION: flow.authorization }),
        ...(flow.contentType && { CONTENT_TYPE: flow.contentType }),
        ...(flow.content && { CONTENT: flow.content }),
        ...(flow.keep && { KEEP: flow.keep }),
      },
    },
  );
  const summary = JSON.parse(stdout.trim().split('\n').at(-1)!) as FlowSummary;
  const { requests, wrong, firstWrong, failed } = summary;
  if (failed > 0 || wrong > 0 || requests === 0) {
    throw new Error(
      `${flow.title}: ${requests} right, ${wrong} wrong (${firstWrong}), ${failed} without an answer`,
    );
  }
  return {
    requests,
    requestsPerSecond: requests / (summary.durationUs / 1e6),
    p50Ms: summary.p50Us / 1000,
    p99Ms: summary.p99Us / 1000,
    kept: (await readFile(outputFile, 'utf8')).split('\n').filter(Boolean),
  };
}

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { RunningService } from '@app/ops';
import { startProcess as startGateway } from '../../../apps/gateway/src/start-process.js';
import { startProcess as startUserToken } from '../../../apps/user-token/src/start-process.js';
import { startProcess as startVenue } from '../../../apps/venue/src/start-process.js';
import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import {
  paste,
  refusedCommands,
  rightsLines,
  type RedisUser,
  type RightsLine,
} from '@app/test-support/redis/redis-rights';
import { freePort, RedisServer } from '@app/test-support/redis/redis-server';
import { until } from '@app/test-support/timing/until';

const run = promisify(execFile);
const json = { 'content-type': 'application/json' };

describe('the rights that docs/operations.md gives to the users of Redis', () => {
  let issuer: ScriptedIssuer;
  let lines: readonly RightsLine[];
  let redis: RedisServer;
  let urlOf: (user: RedisUser) => string;
  let settings: Record<string, string>;
  const running: RunningService[] = [];

  beforeAll(async () => {
    lines = (await rightsLines()).slice(0, 3);
    issuer = await ScriptedIssuer.start();
    issuer.answers(() => issuer.grant({ sub: 'auth0|ada' }));
  });

  afterAll(() => issuer.stop());

  beforeEach(async () => {
    redis = await RedisServer.start();
    urlOf = await paste(redis, lines);
    settings = {
      ENVIRONMENT: 'dev',
      LOG_LEVEL: 'silent',
      HOST: '127.0.0.1',
      OPS_HOST: '127.0.0.1',
      PORT: '0',
      AUTH0_ISSUER_URL: issuer.issuer,
      AUTH0_AUDIENCE: 'https://api.venue.example/',
      TOKEN_CACHE_SECRET: 'a-token-cache-secret-of-32-characters',
      CLIENT_SECRETS: 'a-secret-of-clients-of-32-characters',
      GATEWAY_CLIENTS: 'redis:',
      GATEWAY_PUBLIC_URL: 'https://login.acme.example',
    };
  });

  afterEach(async () => {
    for (const service of running.splice(0).reverse()) await service.stop();
    await redis.stop();
  });

  /** @returns a function for its readiness */
  async function start(
    startProcess: typeof startVenue,
    user: RedisUser,
    more: Readonly<Record<string, string>> = {},
  ) {
    const OPS_PORT = String(await freePort());
    const service = await startProcess({ ...settings, ...more, OPS_PORT, REDIS_URL: urlOf(user) });
    running.push(service);
    const store = async () => {
      const answer = await fetch(`http://127.0.0.1:${OPS_PORT}/health/ready`);
      return ((await answer.json()) as any).details.store as { status: string; detail?: string };
    };
    return { addresses: service.addresses, store };
  }

  /** A right that is missing stays missing; a machine that is busy is slow for a moment. */
  const isUp = ({ store }: Awaited<ReturnType<typeof start>>) =>
    until(async () => (await store()).status === 'up', 20_000);

  const startOwnUserToken = () =>
    start(startUserToken, 'user-token', {
      AUTH0_CLIENT_ID: 'a-client-of-dev',
      AUTH0_CLIENT_SECRET: 'a-secret-of-dev',
      SESSION_SECRETS: 'a-session-secret-of-at-least-32-characters',
    });

  it('are one line for each kind', () => {
    expect(lines.map(({ user }) => user)).toEqual(['user-token', 'guard', 'gateway']);
  });

  it('are enough for a log-in, a guarded request, a refresh, a log-out and `npm run client`', async () => {
    const userToken = await startOwnUserToken();
    settings['USER_TOKEN_URL'] = userToken.addresses['tcp']!;
    const [gateway, venue] = [await start(startGateway, 'gateway'), await start(startVenue, 'guard')];
    const [gatewayUrl, venueUrl] = [gateway, venue].map(({ addresses }) => addresses['http']!);
    const PATH = process.env['PATH']!;
    const { stdout } = await run(
      process.execPath,
      [
        'apps/gateway/dist/client-command.js',
        'add',
        'shop',
        '--grants',
        'password',
        '--scope',
        'read:venues',
      ],
      { env: { ...settings, PATH, REDIS_URL: urlOf('gateway') } },
    );
    const clientSecret = /client_secret: (\S+)/.exec(stdout)![1]!;

    const login = await fetch(`${gatewayUrl}/auth/login`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ username: 'ada@example.com', password: 'a password' }),
    });
    expect(login.status).toBe(200);
    const { access_token: token } = (await login.json()) as any;
    const at = (url: string, bearer: string, method = 'GET') =>
      fetch(url, { method, headers: { authorization: `Bearer ${bearer}` } });
    await until(async () => (await at(`${venueUrl}/venues`, token)).status === 200, 20_000);
    await until(async () => (await redis.cli('--scan', '--pattern', 'dev:*:tok:v2:*')) !== '', 20_000);
    const refreshed = await at(`${gatewayUrl}/auth/refresh`, token, 'POST');
    expect(refreshed.status).toBe(200);
    const { access_token: next } = (await refreshed.json()) as any;
    expect((await at(`${gatewayUrl}/auth/sessions`, next)).status).toBe(200);

    const granted = async () =>
      fetch(`${gatewayUrl}/oauth2/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${Buffer.from(`shop:${clientSecret}`).toString('base64')}` },
        body: new URLSearchParams({ grant_type: 'password', username: 'ada', password: 'a password' }),
      });
    await until(async () => (await granted()).status === 200, 20_000);

    expect((await at(`${gatewayUrl}/auth/logout`, next, 'POST')).status).toBe(204);
    for (const ended of [token, next])
      await until(async () => (await at(`${venueUrl}/venues`, ended)).status === 401, 20_000);
    for (const service of [userToken, gateway, venue]) await isUp(service);
    expect(await refusedCommands(redis)).toEqual([]);
  });

  it('of a guard are too few for a gateway with clients in Redis, and readiness says so', async () => {
    const userToken = await startOwnUserToken();
    settings['USER_TOKEN_URL'] = userToken.addresses['tcp']!;
    const [inRedis, inFile] = [
      await start(startGateway, 'guard'),
      await start(startGateway, 'guard', { GATEWAY_CLIENTS: '' }),
    ];
    await until(async () => (await inRedis.store()).detail?.includes('NOPERM') === true, 20_000);
    expect((await inRedis.store()).status).toBe('degraded');
    await isUp(inFile);
  });

  it('of a guard allow no change of values by user-token', async () => {
    const { port } = redis;
    const guard = (...words: string[]) =>
      run('redis-cli', [
        '-p',
        String(port),
        '--user',
        'guard',
        '--pass',
        'password-of-guard',
        '--no-auth-warning',
        ...words,
      ]);
    for (const key of [
      'dev:abc:deny:v3:{abc}:token:x',
      'dev:abc:epoch:v2:{abc}:x',
      'dev:abc:generation:v1',
      'dev:abc:clients:v2',
    ])
      expect((await guard('SET', key, 'x')).stdout).toMatch(/NOPERM/);
    expect((await guard('DEL', 'dev:abc:tok:v2:x')).stdout).toMatch(/NOPERM/);
    expect((await guard('MGET', 'int:abc:tok:v2:x')).stdout).toMatch(/NOPERM/);
  });
});

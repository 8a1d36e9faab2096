import { spawnSync } from 'node:child_process';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { freePort } from '@app/test-support/redis/redis-server';
import { startFakeUserToken } from '@app/test-support/suite/fake-user-token';
import { ServiceProcess } from '@app/test-support/suite/service-process';

const hasIPv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === '::1'),
);

describe('starting', () => {
  let taken: Server;
  let takenPort: string;

  beforeAll(async () => {
    taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    takenPort = String((taken.address() as AddressInfo).port);
  });

  afterAll(() => {
    taken.close();
  });

  it.each<[string, string, Record<string, string>, RegExp]>([
    [
      'a setting is wrong',
      'venue',
      { PORT: 'eighty' },
      /PORT must be a whole number from 0 to 65535 \(is "eighty"\)/,
    ],
    [
      'settings are missing',
      'user-token',
      { ENVIRONMENT: 'prod' },
      /AUTH0_ISSUER_URL is missing[\s\S]*AUTH0_CLIENT_SECRET is missing[\s\S]*SESSION_SECRETS is missing/,
    ],
    [
      'the password of Redis has a % that encodes nothing',
      'user-token',
      { REDIS_URL: 'redis://:a%zz@127.0.0.1' },
      /REDIS_URL has a % .* write it as %25/,
    ],
    [
      'the database of Redis is a name',
      'gateway',
      { REDIS_URL: 'redis://127.0.0.1:6379/cache' },
      /REDIS_URL must name the database by its number/,
    ],
    [
      'the certificate for Redis has no key',
      'venue',
      { REDIS_URL: 'rediss://127.0.0.1', REDIS_TLS_CERT: 'x' },
      /REDIS_TLS_CERT and REDIS_TLS_KEY must be set together/,
    ],
    [
      'the issuer is not https',
      'gateway',
      { ...prod(), AUTH0_ISSUER_URL: 'http://auth.example/' },
      /AUTH0_ISSUER_URL must be an https URL/,
    ],
    [
      'tokens would travel unencrypted',
      'venue',
      { ...prod(), USER_TOKEN_URL: 'tcp://user-token:3003' },
      /unencrypted/,
    ],
    [
      'a secret file is absent',
      'venue',
      { TOKEN_CACHE_SECRET_FILE: '/no/such/file' },
      /TOKEN_CACHE_SECRET_FILE names a file that cannot be read/,
    ],
    [
      'values are quoted, published, folders, or under another name',
      'user-token',
      {
        ...prod(),
        AUTH0_CLIENTID: 'own',
        AUTH0_CLIENT_SECRET: 'venue-suite-local-secret',
        REDIS_URL: '"redis://127.0.0.1:1"',
        SESSION_SECRETS_FILE: '/tmp',
      },
      /AUTH0_CLIENT_ID is missing[^]*AUTH0_CLIENT_SECRET is one for local work[^]*REDIS_URL has quotes[^]*SESSION_SECRETS_FILE names a folder[^]*AUTH0_CLIENTID is set and not read: is AUTH0_CLIENT_ID meant/,
    ],
    [
      'certificates are invalid',
      'venue',
      { USER_TOKEN_TLS_CA: 'x', USER_TOKEN_TLS_CERT: 'y', USER_TOKEN_TLS_KEY: '/run/secrets/key.pem' },
      /USER_TOKEN_TLS_CA is no PEM[^]*USER_TOKEN_TLS_CERT is no PEM[^]*USER_TOKEN_TLS_KEY is no PEM .*: a path is given as \*_FILE/,
    ],
    [
      'the seed file is absent',
      'identity',
      { IDENTITY_SEED: '/no/such/seed.yaml' },
      /seed file .* cannot be read/,
    ],
  ])('fails with one readable message when %s', async (_title, service, environment, message) => {
    const failing = ServiceProcess.spawn(service, environment);
    expect(await failing.exit()).toEqual({ code: 1, signal: null });
    expect(failing.stderr).toMatch(message);
    expect(failing.stderr).not.toMatch(/^\s+at /m);
  });

  it.each(['venue', 'gateway', 'user-token', 'identity'])(
    'of %s names the port that is taken',
    async (service) => {
      const failing = ServiceProcess.spawn(service, { PORT: takenPort });
      expect(await failing.exit()).toEqual({ code: 1, signal: null });
      expect(failing.stderr).toContain(`Port ${takenPort} (${service}) is already in use`);
      expect(failing.stderr.trim().split('\n')).toHaveLength(1);
    },
  );

  it.each([
    ['venue', 'HOST', '203.0.113.1'],
    ['user-token', 'HOST', '203.0.113.1'],
    ['user-token', 'HOST', 'no-such-host.invalid'],
    ['user-token', 'OPS_HOST', '203.0.113.1'],
    ['gateway', 'OPS_HOST', 'no-such-host.invalid'],
    ['identity', 'OPS_HOST', '203.0.113.1'],
  ])('of %s names the %s that it cannot listen on: %s', async (service, setting, host) => {
    const failing = ServiceProcess.spawn(service, { [setting]: host });
    expect(await failing.exit()).toEqual({ code: 1, signal: null });
    expect(failing.stderr).toContain(`${setting} ${host} (${service}`);
    expect(failing.stderr.trim().split('\n')).toHaveLength(1);
  });

  (hasIPv6 ? it.each : it.skip.each)([
    ['[::1]', '::1'],
    ['*', '[::]'],
  ])('listens on %s, where the health check of a container finds it', async (host, opsHost) => {
    const userToken = await startFakeUserToken();
    const venue = await ServiceProcess.start('venue', {
      HOST: host,
      OPS_HOST: opsHost,
      OPS_PORT: String(await freePort('::1')),
      USER_TOKEN_URL: userToken.url,
    });
    try {
      expect(venue.stdout).toMatch(/venue listens on \[::1?\]:\d+/);
      expect((await fetch(`http://[::1]:${venue.port}/venues`)).status).toBe(401);
      const environment = { OPS_HOST: opsHost, OPS_PORT: `${venue.environment['OPS_PORT']}\n` };
      expect(healthOf(environment)).toBe(0);
      expect(healthOf({ ...environment, OPS_HOST: '203.0.113.1' })).toBe(1);
    } finally {
      await venue.stop();
      await userToken.stop();
    }
    expect(healthOf(venue.environment)).toBe(1);
  });

  it('of the suite names the setting of the service whose port is taken, and leaves nothing running', async () => {
    const failing = ServiceProcess.spawn('local', {
      IDENTITY_PORT: '0',
      IDENTITY_OPS_PORT: '0',
      USER_TOKEN_PORT: '0',
      USER_TOKEN_OPS_PORT: '0',
      GATEWAY_PORT: '0',
      GATEWAY_OPS_PORT: '0',
      VENUE_PORT: takenPort,
      VENUE_OPS_PORT: '0',
    });
    expect(await failing.exit()).toEqual({ code: 1, signal: null });
    expect(failing.stderr).toContain('VENUE_PORT');
  });

  it('of the suite prints its addresses and its use, and Ctrl-C ends it', async () => {
    const ports = Object.fromEntries(
      ['IDENTITY', 'USER_TOKEN', 'GATEWAY', 'VENUE'].flatMap((name) => [
        [`${name}_PORT`, '0'],
        [`${name}_OPS_PORT`, '0'],
      ]),
    );
    const suite = ServiceProcess.spawn('local', ports);
    await suite.printed(/Ctrl-C stops everything/);
    expect(suite.stdout).toContain('ada@example.com / analytical-engine-1843');
    expect(suite.stdout.match(/^(TOKEN=\$\()?curl /gm)).toHaveLength(4);
    expect(await suite.stop('SIGINT')).toEqual({ code: 0, signal: null });
  });
});

/** Exit code of a container's health check. */
function healthOf(environment: Readonly<Record<string, string>>): number | null {
  return spawnSync(process.execPath, ['scripts/health.mjs', '1'], { env: environment }).status;
}

function prod(): Record<string, string> {
  return {
    ENVIRONMENT: 'prod',
    AUTH0_ISSUER_URL: 'https://acme.auth0.com/',
    AUTH0_AUDIENCE: 'https://api.acme.example/',
    REDIS_URL: 'redis://127.0.0.1:1',
    TOKEN_CACHE_SECRET: '0123456789-0123456789-0123456789-01',
    USER_TOKEN_URL: 'tcp://127.0.0.1:1',
  };
}

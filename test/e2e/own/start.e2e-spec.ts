import { createServer, type AddressInfo, type Server } from 'node:net';
import { ServiceProcess } from '../../support/service-process.js';

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
      'tokens would travel in the clear',
      'venue',
      { ...prod(), USER_TOKEN_URL: 'tcp://user-token:3003' },
      /unencrypted/,
    ],
    [
      'a secret file is not there',
      'venue',
      { TOKEN_CACHE_SECRET_FILE: '/no/such/file' },
      /TOKEN_CACHE_SECRET_FILE names a file that cannot be read/,
    ],
    [
      'the seed file is not there',
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

  it('of the suite prints where it is and how to use it, and Ctrl-C ends it', async () => {
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

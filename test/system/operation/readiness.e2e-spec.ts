import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readIdentityConfig, startIdentity, type RunningIdentity } from '@app/identity';
import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/store';
import { readUserTokenConfig, startUserToken, type RunningUserToken } from '@app/user-token';
import { UserTokenClient } from '@app/user-token-client';
import { readVenueConfig, startVenue } from '@app/venue';
import { generateKeyPair, SignJWT } from 'jose';
import { ScriptedIssuer, type ScriptedAnswer } from '@app/test-support/issuer/scripted-issuer';
import { freePort } from '@app/test-support/redis/redis-server';
import { until } from '@app/test-support/timing/until';

const LOCAL = { ENVIRONMENT: 'local', PORT: '0', OPS_PORT: '0' };
const logger = createLogger({ service: 'test', environment: 'local', level: 'silent' });

interface Readiness {
  readonly status: number;
  readonly body: any;
}

async function readiness(opsPort: number): Promise<Readiness> {
  const response = await fetch(`http://127.0.0.1:${opsPort}/health/ready`);
  return { status: response.status, body: await response.json() };
}

/** The state after the first check, for which a start does not wait long. */
async function firstReadiness(opsPort: number, check: string): Promise<Readiness> {
  let found = await readiness(opsPort);
  await until(async () => {
    found = await readiness(opsPort);
    return found.body.details[check].detail !== 'not known yet';
  }, 20_000);
  return found;
}

describe('the readiness of user-token', () => {
  let identity: RunningIdentity;
  let store: SharedStore;
  let userToken: RunningUserToken | undefined;

  beforeAll(async () => {
    identity = await startIdentity(readIdentityConfig({ ...LOCAL, AUTH0_ISSUER_URL: await freeIssuer() }), {
      logger,
    });
    store = openStore('memory:');
  });

  afterEach(async () => {
    await userToken?.stop();
    userToken = undefined;
  });

  afterAll(async () => {
    await identity.stop();
    await store.close();
  });

  /** identity listens at the address in its issuer. */
  async function freeIssuer(): Promise<string> {
    return `http://localhost:${await freePort()}/`;
  }

  const start = async (settings: Record<string, string> = {}) => {
    const config = readUserTokenConfig({ ...LOCAL, AUTH0_ISSUER_URL: identity.issuer, ...settings });
    userToken = await startUserToken(config, { store, logger });
    return firstReadiness(userToken.opsPort, 'issuer');
  };

  it('is ok with the right settings', async () => {
    const { status, body } = await start();
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'ok',
      details: Object.fromEntries(
        ['issuer', 'client', 'audience', 'realm', 'issuerClock', 'keys', 'grantedTokens'].map((name) => [
          name,
          { status: 'up' },
        ]),
      ),
    });
  });

  it('is ok with a connection of the tenant', async () => {
    const { status } = await start({ AUTH0_REALM: 'Username-Password-Authentication' });
    expect(status).toBe(200);
  });

  it.each<[string, Record<string, string>, string, RegExp]>([
    ['client secret', { AUTH0_CLIENT_SECRET: 'canary-secret' }, 'client', /AUTH0_CLIENT_SECRET/],
    ['client', { AUTH0_CLIENT_ID: 'another' }, 'client', /AUTH0_CLIENT_ID "another"/],
    ['audience', { AUTH0_AUDIENCE: 'https://nowhere.example/' }, 'audience', /"https:\/\/nowhere.example\/"/],
    ['realm', { AUTH0_REALM: 'nowhere' }, 'realm', /AUTH0_REALM "nowhere"/],
  ])('is an error with a reason for a wrong %s', async (_title, settings, check, detail) => {
    const { status, body } = await start(settings);
    expect(status).toBe(503);
    expect(body).toMatchObject({
      status: 'error',
      error: { [check]: { status: 'down', detail: expect.stringMatching(detail) } },
    });
    expect(Object.keys(body.error)).toEqual([check]);
    expect(JSON.stringify(body)).not.toContain('canary');
  });

  it.each([
    ['a path below it', (issuer: string) => `${issuer}tenant/`],
    ['another name for it', (issuer: string) => issuer.replace('localhost', '127.0.0.1')],
  ])('is an error for a server that is no issuer: %s', async (_title, change) => {
    const { status, body } = await start({ AUTH0_ISSUER_URL: change(identity.issuer) });
    expect(status).toBe(503);
    expect(body.error).toEqual({
      issuer: { status: 'down', detail: expect.stringContaining('AUTH0_ISSUER_URL') },
    });
  });

  it('is degraded while the authorization server is away: the fleet must stay', async () => {
    const { status, body } = await start({ AUTH0_ISSUER_URL: await freeIssuer() });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'degraded',
      details: {
        issuer: { status: 'degraded', detail: expect.stringContaining('ECONNREFUSED') },
        keys: { status: 'degraded', detail: expect.stringContaining('none at hand') },
        client: { status: 'up', detail: 'not known yet' },
      },
    });
  });
});

describe('the readiness of user-token after a log-in with a token that does not verify', () => {
  const lines: string[] = [];
  let issuer: ScriptedIssuer;
  let store: SharedStore;
  let userToken: RunningUserToken;
  let client: UserTokenClient;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
    store = openStore('memory:');
    const config = readUserTokenConfig({
      ...LOCAL,
      AUTH0_ISSUER_URL: issuer.issuer,
      CLOCK_TOLERANCE_SECONDS: '5',
      LOGIN_ATTEMPTS_PER_ADDRESS: '1000',
    });
    const destination = { write: (line: string) => void lines.push(line) };
    userToken = await startUserToken(config, {
      store,
      logger: createLogger({ service: 'user-token', environment: 'local', destination }),
    });
    client = new UserTokenClient({ urls: `tcp://127.0.0.1:${userToken.port}` });
  });

  afterAll(async () => {
    client.close();
    await userToken.stop();
    await store.close();
    await issuer.stop();
  });

  const logIn = () => client.login({ username: 'ada@example.com', password: 'canary-password' });
  const nowSeconds = () => Math.floor(Date.now() / 1000);

  /** A token of Auth0 for an API with another signing algorithm. */
  async function signedBy(alg: 'HS256' | 'PS256'): Promise<ScriptedAnswer> {
    const key =
      alg === 'HS256' ? new TextEncoder().encode('k'.repeat(32)) : (await generateKeyPair(alg)).privateKey;
    const token = await new SignJWT({
      iss: issuer.issuer,
      aud: 'https://api.venue.example/',
      sub: 'auth0|ada',
    })
      .setProtectedHeader({ alg, typ: 'JWT' })
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(key);
    return { status: 200, body: { access_token: token, token_type: 'Bearer', expires_in: 3600 } };
  }

  it.each<[string, () => Promise<ScriptedAnswer>, RegExp]>([
    ['it is signed by HS256', () => signedBy('HS256'), /signed by HS256, and only RS256 is taken/],
    ['it is signed by PS256', () => signedBy('PS256'), /signed by PS256.*signing algorithm of the API/],
    [
      'the clock of its issuer is ahead',
      () => issuer.grant({ iat: nowSeconds() + 90 }),
      /its iat is \d+ s ahead of our clock, CLOCK_TOLERANCE_SECONDS is 5: check that NTP/,
    ],
    [
      'it is for another API',
      () => issuer.grant({ aud: 'https://other.test/' }),
      /its aud is "https:\/\/other.test\/", AUTH0_AUDIENCE is "https:\/\/api.venue.example\/"/,
    ],
    [
      'its issuer has another name',
      () => issuer.grant({ iss: 'https://other.test/' }),
      /its iss is "https:\/\/other.test\/", AUTH0_ISSUER_URL is/,
    ],
  ])('names the fault: %s', async (_title, grant, detail) => {
    lines.length = 0;
    issuer.answers(await grant());
    await expect(logIn()).rejects.toMatchObject({ code: 'upstream_unavailable' });
    const { status, body } = await readiness(userToken.opsPort);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'degraded',
      details: { grantedTokens: { status: 'degraded', detail: expect.stringMatching(detail) } },
    });
    expect(lines.filter((line) => detail.test((JSON.parse(line) as { msg: string }).msg))).toHaveLength(1);
    expect(lines.join('')).not.toMatch(/compare|canary|eyJ/);

    issuer.answers(() => issuer.grant());
    expect(await logIn()).toMatchObject({ granted: true });
    expect((await readiness(userToken.opsPort)).body).toMatchObject({ status: 'ok' });
  });

  it('ignores a fault of one user alone', async () => {
    issuer.answers(() => issuer.grant({ sub: 's'.repeat(300) }));
    expect(await logIn()).toMatchObject({ granted: false });
    expect((await readiness(userToken.opsPort)).body).toMatchObject({ status: 'ok' });
  });
});

describe('the readiness of a service', () => {
  let silent: Server;
  let store: SharedStore;

  beforeAll(async () => {
    store = openStore('memory:');
    silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    silent.closeAllConnections();
    silent.close();
    await store.close();
  });

  const startUserTokenAt = async (port: number) =>
    startUserToken(
      readUserTokenConfig({
        ...LOCAL,
        PORT: String(port),
        AUTH0_ISSUER_URL: `http://localhost:${(silent.address() as AddressInfo).port}/`,
        UPSTREAM_TIMEOUT_MS: '100',
      }),
      { store, logger },
    );

  it('waits for a user-token, and stays after the end of the last one', async () => {
    const port = await freePort();
    const venueConfig = readVenueConfig({ ...LOCAL, USER_TOKEN_URL: `tcp://127.0.0.1:${port}` });
    const venue = await startVenue(venueConfig, { logger, store: undefined });
    try {
      const { status, body } = await firstReadiness(venue.opsPort, 'userToken');
      expect(status).toBe(503);
      expect(body.error).toEqual({
        userToken: { status: 'down', detail: expect.stringContaining(`127.0.0.1:${port} cannot be reached`) },
      });
      const userToken = await startUserTokenAt(port);
      await until(async () => (await readiness(venue.opsPort)).status === 200, 20_000);
      expect((await readiness(venue.opsPort)).body).toMatchObject({
        status: 'ok',
        details: { userToken: { status: 'up' } },
      });
      await userToken.stop();
      await until(async () => (await readiness(venue.opsPort)).body.status === 'degraded', 20_000);
      expect(await readiness(venue.opsPort)).toMatchObject({
        status: 200,
        body: { details: { userToken: { status: 'degraded' } } },
      });
    } finally {
      await venue.stop();
    }
  }, 60_000);
});

import { freePort, RedisServer } from '@app/test-support/redis/redis-server';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { ada } from '@app/test-support/suite/suite';
import { until } from '@app/test-support/timing/until';

const PATIENCE_MS = 15_000;

describe('a Redis that comes back with older data', () => {
  let redis: RedisServer;
  let identity: ServiceProcess;
  let userToken: ServiceProcess;
  let gateway: ServiceProcess;
  let venues: ServiceProcess[];
  let userTokenPort: number;
  const shared = () => ({
    REDIS_URL: redis.url,
    AUTH0_ISSUER_URL: `http://localhost:${identity.port}/`,
    USER_TOKEN_URL: `tcp://127.0.0.1:${userTokenPort}`,
  });
  const startUserToken = () =>
    ServiceProcess.start('user-token', { ...shared(), PORT: String(userTokenPort) });

  beforeAll(async () => {
    identity = await ServiceProcess.start('identity');
  });

  afterAll(() => identity.stop('SIGKILL'));

  beforeEach(async () => {
    redis = await RedisServer.start();
    userTokenPort = await freePort();
    userToken = await startUserToken();
    const start = (name: string) => ServiceProcess.start(name, shared());
    [gateway, venues] = await Promise.all([start('gateway'), Promise.all([start('venue'), start('venue')])]);
  });

  afterEach(async () => {
    await Promise.all([...venues, gateway, userToken].map((service) => service?.stop('SIGKILL')));
    await redis.stop();
  });

  const send = (url: string, init: RequestInit) =>
    fetch(url, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
  const call = async (venue: ServiceProcess, token: string) =>
    (await send(`http://localhost:${venue.port}/venues`, { headers: { authorization: `Bearer ${token}` } }))
      .status;
  const post = async (path: string, token: string) =>
    (
      await send(`http://localhost:${gateway.port}/auth/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      })
    ).status;
  async function login(): Promise<string> {
    const response = await send(`http://localhost:${gateway.port}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ada),
    });
    expect(response.status).toBe(200);
    return ((await response.json()) as { access_token: string }).access_token;
  }
  const hasGeneration = async () => (await redis.cli('--scan', '--pattern', '*:generation:v1')) !== '';
  /** Both venues know the token, and each new one finds it in Redis. */
  async function known(): Promise<string> {
    const token = await login();
    await until(hasGeneration);
    for (const venue of venues) await until(async () => (await call(venue, token)) === 200, PATIENCE_MS);
    return token;
  }
  async function neverAccepted(token: string, rounds: number, among = venues): Promise<void> {
    for (let i = 0; i < rounds; i += 1) {
      for (const venue of among) expect([401, 503]).toContain(await call(venue, token));
    }
  }
  async function addVenue(): Promise<ServiceProcess> {
    const venue = await ServiceProcess.start('venue', shared());
    venues.push(venue);
    return venue;
  }

  it.each([
    ['with room for what it lost', []],
    ['and is full, so that what it lost cannot be written back', ['--maxmemory', '1']],
  ])('from a snapshot, %s, undoes no later log-out', async (_title, settings) => {
    const [ended, valid] = [await known(), await known()];
    await redis.cli('SAVE');
    expect(await post('logout', ended)).toBe(204);
    await neverAccepted(ended, 1);
    await redis.restart(settings);
    await neverAccepted(ended, 100);
    await neverAccepted(ended, 20, [await addVenue()]);
    for (const venue of venues) await until(async () => (await call(venue, valid)) === 200, PATIENCE_MS);
  });

  it.each(['FLUSHALL', 'FLUSHDB'])(
    'after %s, with all connections open, undoes no log-out, for services that start later as well',
    async (command) => {
      const [ended, valid] = [await known(), await known()];
      expect(await post('logout', ended)).toBe(204);
      await redis.cli(command);
      await neverAccepted(ended, 20);
      await until(hasGeneration, PATIENCE_MS);
      await userToken.stop();
      userToken = await startUserToken();
      await neverAccepted(ended, 20);
      await neverAccepted(ended, 20, [await addVenue()]);
      for (const venue of venues) await until(async () => (await call(venue, valid)) === 200, PATIENCE_MS);
    },
  );

  it('without a user-token from before makes earlier tokens unknown, and accepts those of a new log-in', async () => {
    const [ended, valid] = [await known(), await known()];
    expect(await post('logout', ended)).toBe(204);
    await userToken.stop('SIGKILL');
    await redis.restart();
    userToken = await startUserToken();
    const venue = await addVenue();
    await neverAccepted(ended, 20, [venue]);
    expect(await call(venue, valid)).toBe(503);
    const again = await login();
    expect(await call(venue, again)).toBe(200);
  });
});

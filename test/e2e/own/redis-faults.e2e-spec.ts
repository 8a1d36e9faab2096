import { setTimeout as delay } from 'node:timers/promises';
import { FaultProxy } from '../../support/fault-proxy.js';
import { ask, FAULT_MS, type Expectation } from '../../support/oracle-client.js';
import { RedisServer } from '../../support/redis-server.js';
import { ServiceProcess } from '../../support/service-process.js';
import { ada, grace } from '../../support/suite.js';
import { until } from '../../support/until.js';

/** venue waits 100 ms for Redis and so does user-token; the rest is room for a busy machine. */
const LONGEST_ANSWER_MS = 1_000;
/** Once the breakers are open: far below the 100 ms that waiting for Redis would cost. */
const USUAL_ANSWER_MS = 80;
const RECOVERY_MS = 1_000;

describe('with a fault between the services and Redis', () => {
  let redis: RedisServer;
  let proxy: FaultProxy;
  let services: ServiceProcess[] = [];
  let gateway: ServiceProcess;
  let venue: ServiceProcess;

  beforeAll(async () => {
    redis = await RedisServer.start(['--appendonly', 'yes']);
    proxy = await FaultProxy.start(redis.port);
    const identity = await ServiceProcess.start('identity');
    const shared = {
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      AUTH0_ISSUER_URL: `http://localhost:${identity.port}/`,
    };
    const userToken = await ServiceProcess.start('user-token', shared);
    const clients = { ...shared, USER_TOKEN_URL: `tcp://127.0.0.1:${userToken.port}` };
    gateway = await ServiceProcess.start('gateway', clients);
    venue = await ServiceProcess.start('venue', clients);
    services = [venue, gateway, userToken, identity];
  });

  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop('SIGKILL')));
    await proxy.stop();
    await redis.stop();
  });

  async function login(): Promise<string> {
    const response = await fetch(`http://localhost:${gateway.port}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ada),
    });
    expect(response.status).toBe(200);
    return ((await response.json()) as { access_token: string }).access_token;
  }

  const venues = () => `http://localhost:${venue.port}/venues`;
  const statusAtVenue = async (token: string) =>
    (await fetch(venues(), { headers: { authorization: `Bearer ${token}` } })).status;
  const logout = async (token: string) =>
    (
      await fetch(`http://localhost:${gateway.port}/auth/logout`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
      })
    ).status;
  const expectation = (title: string, token: string, status: number): Expectation => ({
    title,
    url: venues(),
    token,
    statuses: [status],
  });

  interface Fault {
    readonly title: string;
    readonly begin: () => unknown;
    readonly end: () => unknown;
    /** Whether a denial can be written during it; undefined where that is a matter of luck. */
    readonly logOutWorks: boolean | undefined;
  }

  const faults: Fault[] = [
    { title: 'killed', begin: () => redis.kill(), end: () => redis.restart(), logOutWorks: false },
    { title: 'frozen', begin: () => redis.freeze(), end: () => redis.thaw(), logOutWorks: false },
    { title: 'cut off', begin: () => proxy.refuse(), end: () => proxy.pass(), logOutWorks: false },
    { title: 'half open', begin: () => proxy.freeze(), end: () => proxy.pass(), logOutWorks: false },
    { title: 'slow by 200 ms', begin: () => proxy.slow(200), end: () => proxy.pass(), logOutWorks: true },
    {
      title: 'resetting every connection, every 50 ms',
      begin: () => proxy.resetEvery(50),
      end: () => proxy.pass(),
      logOutWorks: undefined,
    },
    {
      title: 'cut in the middle of its answers',
      begin: () => proxy.cutAfter(40),
      end: () => proxy.pass(),
      logOutWorks: false,
    },
    {
      title: 'answering with noise',
      begin: () => proxy.garble(),
      end: () => proxy.pass(),
      logOutWorks: false,
    },
    {
      title: 'full',
      begin: () => redis.cli('CONFIG', 'SET', 'maxmemory', '1'),
      end: () => redis.cli('CONFIG', 'SET', 'maxmemory', '0'),
      logOutWorks: false,
    },
    {
      title: 'read-only',
      begin: () => redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '1'),
      end: () => redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '0'),
      logOutWorks: false,
    },
    {
      title: 'restarted empty',
      begin: async () => {
        await redis.cli('FLUSHALL');
        await redis.restart();
      },
      end: () => undefined,
      logOutWorks: undefined,
    },
  ];

  describe.each(faults)('Redis $title', ({ begin, end, logOutWorks }) => {
    let known: string;
    let unknown: string[];
    let loggedOut: string;

    beforeAll(async () => {
      known = await login();
      unknown = await Promise.all(Array.from({ length: 4 }, login));
      loggedOut = await login();
      expect([await statusAtVenue(known), await statusAtVenue(loggedOut)]).toEqual([200, 200]);
      expect(await logout(loggedOut)).toBe(204);
      await begin();
    });

    afterAll(async () => {
      await end();
    });

    it(
      'fails no valid request, lets nobody back in, and keeps nobody waiting',
      async () => {
        const report = await ask([
          expectation('known', known, 200),
          ...unknown.map((token) => expectation('unknown', token, 200)),
          expectation('logged out', loggedOut, 401),
        ]);
        expect(report.wrong).toEqual([]);
        expect(report.requests).toBeGreaterThan(50);
        expect(report.maxMs).toBeLessThan(LONGEST_ANSWER_MS);
        expect(report.medianMs).toBeLessThan(USUAL_ANSWER_MS);
      },
      FAULT_MS + 20_000,
    );

    it('ends access if and only if it says so', async () => {
      const [token] = unknown as [string];
      const status = await logout(token);
      if (logOutWorks !== undefined) expect(status).toBe(logOutWorks ? 204 : 503);
      await delay(500);
      expect(await statusAtVenue(token)).toBe(status === 204 ? 401 : 200);
    });

    it('is over within a second of its end', async () => {
      await end();
      const token = unknown[1]!;
      await until(async () => (await logout(token)) === 204, RECOVERY_MS + LONGEST_ANSWER_MS);
      await delay(100);
      expect(await statusAtVenue(token)).toBe(401);
      expect(await statusAtVenue(loggedOut)).toBe(401);
      expect(await statusAtVenue(known)).toBe(200);
      const status = async () =>
        (
          await fetch(`http://localhost:${gateway.port}/auth/login`, {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(grace),
          })
        ).status;
      await until(async () => (await status()) === 200);
    });
  });
});

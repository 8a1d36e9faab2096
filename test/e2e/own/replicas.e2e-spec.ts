import { setTimeout as delay } from 'node:timers/promises';
import { ask, FAULT_MS } from '../../support/oracle-client.js';
import { rawRequest } from '../../support/raw-http.js';
import { freePort, RedisServer } from '../../support/redis-server.js';
import { ServiceProcess } from '../../support/service-process.js';
import { ada } from '../../support/suite.js';
import { until } from '../../support/until.js';

describe('with two user-tokens and two venues', () => {
  let redis: RedisServer;
  let identity: ServiceProcess;
  let userTokens: ServiceProcess[];
  let ports: number[];
  let gateway: ServiceProcess;
  let venues: ServiceProcess[] = [];
  let opsPorts: number[];

  beforeAll(async () => {
    redis = await RedisServer.start();
    ports = [await freePort(), await freePort()];
    opsPorts = [await freePort(), await freePort()];
    identity = await ServiceProcess.start('identity');
    userTokens = await Promise.all([startUserToken(0), startUserToken(1)]);
    gateway = await ServiceProcess.start('gateway', clients());
    venues = await Promise.all([startVenue(0), startVenue(1)]);
  });

  afterAll(async () => {
    const services = [...venues, gateway, ...userTokens, identity];
    await Promise.all(services.map((service) => service.stop('SIGKILL')));
    await redis.stop();
  });

  const shared = () => ({ REDIS_URL: redis.url, AUTH0_ISSUER_URL: `http://localhost:${identity.port}/` });
  const clients = () => ({
    ...shared(),
    USER_TOKEN_URL: ports.map((port) => `tcp://127.0.0.1:${port}`).join(','),
    DRAIN_DELAY_MS: '300',
  });
  const startUserToken = (index: number) =>
    ServiceProcess.start('user-token', { ...shared(), PORT: String(ports[index]) });
  const startVenue = (index: number) =>
    ServiceProcess.start('venue', { ...clients(), OPS_PORT: String(opsPorts[index]) });

  async function login(): Promise<string> {
    const response = await fetch(`http://localhost:${gateway.port}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ada),
    });
    return ((await response.json()) as { access_token: string }).access_token;
  }

  const url = (venue = venues[0]!) => `http://localhost:${venue.port}/venues`;
  const logins = (count: number) => Promise.all(Array.from({ length: count }, login));

  /** Asks for a token that this venue has never seen, again and again, while something is done. */
  async function unknownTokensWhile(work: () => Promise<unknown>): Promise<readonly number[]> {
    const tokens = await logins(40);
    const statuses: number[] = [];
    const working = work();
    for (const token of tokens) {
      const response = await fetch(url(), { headers: { authorization: `Bearer ${token}` } });
      statuses.push(response.status);
      await delay(FAULT_MS / 40);
    }
    await working;
    return statuses;
  }

  it.each<[string, () => Promise<unknown>, () => Promise<unknown>]>([
    [
      'is killed and started again',
      () => userTokens[0]!.stop('SIGKILL'),
      async () => (userTokens[0] = await startUserToken(0)),
    ],
    [
      'is stopped and started again',
      () => userTokens[1]!.stop(),
      async () => (userTokens[1] = await startUserToken(1)),
    ],
    [
      'is frozen and goes on',
      async () => userTokens[0]!.signal('SIGSTOP'),
      async () => userTokens[0]!.signal('SIGCONT'),
    ],
  ])(
    'no request fails when one user-token %s',
    async (_title, lose, bringBack) => {
      const statuses = await unknownTokensWhile(async () => {
        await delay(FAULT_MS / 4);
        await lose();
        await delay(FAULT_MS / 3);
        await bringBack();
      });
      expect(new Set(statuses)).toEqual(new Set([200]));
    },
    2 * FAULT_MS + 30_000,
  );

  it.each<[string, NodeJS.Signals]>([
    ['dead', 'SIGKILL'],
    ['frozen', 'SIGSTOP'],
  ])(
    'with both user-tokens %s, known tokens work and others are told 503 within 300 ms',
    async (_title, signal) => {
      const [known, ...unknown] = await logins(6);
      const send = async (token: string) => {
        const startedAt = performance.now();
        const response = await fetch(url(), { headers: { authorization: `Bearer ${token}` } });
        return {
          status: response.status,
          retryAfter: response.headers.get('retry-after'),
          durationMs: performance.now() - startedAt,
        };
      };
      expect((await send(known!)).status).toBe(200);
      for (const service of userTokens) service.signal(signal);
      await delay(100);
      for (const token of unknown) {
        expect(await send(token)).toEqual({ status: 503, retryAfter: '1', durationMs: expect.any(Number) });
        expect((await send(known!)).status).toBe(200);
      }
      const durations = [];
      for (const token of unknown) durations.push((await send(token)).durationMs);
      expect(Math.min(...durations)).toBeLessThan(300);

      if (signal === 'SIGSTOP') for (const service of userTokens) service.signal('SIGCONT');
      else userTokens = await Promise.all([startUserToken(0), startUserToken(1)]);
      await until(async () => (await send(unknown[0]!)).status === 200);
    },
  );

  it(
    'no request fails while both venues are restarted, one after the other, behind a balancer',
    async () => {
      const token = await login();
      const ready = async (index: number) => {
        const answer = await fetch(`http://localhost:${opsPorts[index]}/health/ready`).catch(() => undefined);
        return answer?.status === 200;
      };
      // What a balancer does: asks for readiness now and then, sends to those who were ready, and knows nothing else.
      let going = true;
      let targets = [0, 1];
      const probing = (async () => {
        while (going) {
          const answers = await Promise.all([ready(0), ready(1)]);
          targets = [0, 1].filter((index) => answers[index]);
          await delay(50);
        }
      })();
      const statuses: unknown[] = [];
      const load = Array.from({ length: 4 }, async () => {
        for (let turn = 0; going; turn += 1) {
          const target = venues[targets[turn % targets.length]!]!;
          const answer = await rawRequest(url(target), {
            headers: ['Authorization', `Bearer ${token}`],
          }).catch((error: unknown) => ({ status: String(error) }));
          statuses.push(answer.status);
        }
      });
      for (const index of [0, 1]) {
        await delay(FAULT_MS / 4);
        expect(await venues[index]!.stop()).toEqual({ code: 0, signal: null });
        venues[index] = await startVenue(index);
        await until(() => targets.length === 2);
      }
      await delay(FAULT_MS / 4);
      going = false;
      await Promise.all([probing, ...load]);
      expect(statuses.length).toBeGreaterThan(100);
      expect(new Set(statuses)).toEqual(new Set([200]));
    },
    2 * FAULT_MS + 30_000,
  );

  it('the oracle finds what is wrong', async () => {
    const report = await ask([{ title: 'no token', url: url(), token: 'x', statuses: [200] }], 100);
    expect(report.wrong[0]).toBe('no token: 401');
  });
});

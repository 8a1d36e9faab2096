import { setTimeout as delay } from 'node:timers/promises';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { ada, Suite } from '@app/test-support/suite/suite';

// Every order is gone through beside the use cases (core/**/*.races.spec.ts); here they meet over HTTP.
const ROUNDS = Number(process.env.RACE_ROUNDS ?? 30);

describe('log-out and refresh of a session at the same time', () => {
  it(`leave nothing that works, ${ROUNDS} times out of ${ROUNDS}`, async () => {
    const suite = await Suite.open();
    const oneRound = async (afterMs: number) => {
      const token = await suite.login(ada);
      const [refreshed] = await Promise.all([
        suite.gateway('/auth/refresh', { method: 'POST', token }),
        delay(afterMs).then(() => suite.logout(token)),
      ]);
      const tokens = [token, ...(refreshed.status === 200 ? [refreshed.body.access_token as string] : [])];
      for (const one of tokens) {
        expect((await suite.venue('/venues', { token: one })).status).toBe(401);
        expect((await suite.gateway('/auth/refresh', { method: 'POST', token: one })).status).toBe(401);
      }
    };
    // The refresh is slower: each of them is sometimes the first.
    const delaysMs = [0, 5, 10, 15, 20, 25, 30, 40, 50, 60];
    for (let round = 0; round < ROUNDS; round += delaysMs.length) await Promise.all(delaysMs.map(oneRound));
    await suite.close();
  }, 400_000);
});

describe('refresh over two gateways and two user-tokens', () => {
  const CALLERS = 50;
  let redis: RedisServer;
  let services: ServiceProcess[] = [];
  let gateways: ServiceProcess[];

  beforeAll(async () => {
    redis = await RedisServer.start();
    const identity = await ServiceProcess.start('identity');
    const shared = { REDIS_URL: redis.url, AUTH0_ISSUER_URL: `http://localhost:${identity.port}/` };
    const settings = { ...shared, OAUTH_REFRESH_REUSE_SECONDS: '600' };
    const userTokens = await Promise.all([1, 2].map(() => ServiceProcess.start('user-token', settings)));
    const urls = userTokens.map(({ port }) => `tcp://127.0.0.1:${port}`).join(',');
    gateways = await Promise.all(
      [1, 2].map(() => ServiceProcess.start('gateway', { ...shared, USER_TOKEN_URL: urls })),
    );
    services = [...gateways, ...userTokens, identity];
  });

  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop('SIGKILL')));
    await redis.stop();
  });

  async function post(gateway: ServiceProcess, path: string, init: RequestInit): Promise<any> {
    const response = await fetch(`http://localhost:${gateway.port}${path}`, { method: 'POST', ...init });
    return response.json();
  }

  // The bundled server rotates refresh tokens without leeway: a second call upstream would be refused and end the session.
  it(`gives ${CALLERS} callers at once the same new token, ${ROUNDS} times out of ${ROUNDS}`, async () => {
    const { access_token: first } = await post(gateways[0]!, '/auth/login', {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ada),
    });
    let token = first as string;
    for (let round = 0; round < ROUNDS; round += 1) {
      const headers = { authorization: `Bearer ${token}` };
      const answers = await Promise.all(
        Array.from({ length: CALLERS }, (_, caller) =>
          post(gateways[caller % 2]!, '/auth/refresh', { headers }),
        ),
      );
      const tokens = new Set(answers.map((answer) => answer.access_token as unknown));
      expect([...tokens]).toEqual([expect.any(String)]);
      expect(tokens.has(token)).toBe(false);
      token = [...tokens][0] as string;
    }
  }, 400_000);

  it(`gives ${CALLERS} callers of a registered client at once the same pair, 20 times out of 20`, async () => {
    const client = { client_id: 'portal', client_secret: 'portal-secret-for-local-use' };
    /** On a busy machine a user-token may look frozen; then the client asks again. */
    async function token(gateway: ServiceProcess, form: Record<string, string>): Promise<any> {
      const body = new URLSearchParams({ ...client, ...form });
      const answer = await post(gateway, '/oauth2/token', { body });
      return answer.error === 'temporarily_unavailable' ? token(gateway, form) : answer;
    }
    let { refresh_token: refreshToken } = await token(gateways[0]!, { grant_type: 'password', ...ada });
    for (let round = 0; round < 20; round += 1) {
      const form = { grant_type: 'refresh_token', refresh_token: refreshToken as string };
      const answers = await Promise.all(
        Array.from({ length: CALLERS }, (_, caller) => token(gateways[caller % 2]!, form)),
      );
      const pairs = new Set(answers.map((pair) => `${pair.access_token} ${pair.refresh_token}`));
      expect([...pairs]).toEqual([expect.stringMatching(/^vat-\S+ vrt-\S+$/)]);
      expect(answers[0].refresh_token).not.toBe(refreshToken);
      refreshToken = answers[0].refresh_token;
    }
  }, 400_000);
});

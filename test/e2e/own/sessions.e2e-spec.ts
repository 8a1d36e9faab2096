import { setTimeout as delay } from 'node:timers/promises';
import { RedisServer } from '../../support/redis-server.js';
import { ServiceProcess } from '../../support/service-process.js';
import { ada, Suite } from '../../support/suite.js';

describe('an access token that was refreshed before', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open({ REFRESH_REPLAY_WINDOW_SECONDS: '1' });
  });

  afterAll(() => suite.close());

  const tryRefresh = (token: string) => suite.gateway('/auth/refresh', { method: 'POST', token });

  it('ends its session when it is presented after the replay window, for whoever holds the new one', async () => {
    const [stolen, bystander] = [await suite.login(ada), await suite.login(ada)];
    const second = await suite.refresh(stolen);
    const third = await suite.refresh(second);
    expect(await suite.venue('/venues', { token: third })).toMatchObject({ status: 200 });
    await delay(1_200);
    const reuse = await tryRefresh(stolen);
    expect(reuse).toMatchObject({
      status: 401,
      body: { error: 'invalid_grant', error_description: expect.stringContaining('refreshed before') },
    });
    for (const token of [stolen, second, third]) {
      expect(await suite.venue('/venues', { token })).toMatchObject({ status: 401 });
      expect(await tryRefresh(token)).toMatchObject({ status: 401, body: { error: 'invalid_grant' } });
    }
    expect(await suite.venue('/venues', { token: bystander })).toMatchObject({ status: 200 });
    await suite.refresh(bystander);
    expect(suite.logs.filter((line) => line.includes('presented again'))).toHaveLength(1);
  });

  it('is answered with the same new token within the replay window', async () => {
    const token = await suite.login(ada);
    expect(await suite.refresh(token)).toBe(await suite.refresh(token));
  });
});

describe('a session', () => {
  it('ends at its absolute lifetime, however often it is refreshed', async () => {
    const suite = await Suite.open({ SESSION_ABSOLUTE_SECONDS: '2' });
    const token = await suite.refresh(await suite.login(ada));
    await delay(2_100);
    const late = await suite.gateway('/auth/refresh', { method: 'POST', token });
    await suite.close();
    expect(late).toMatchObject({ status: 401, body: { error: 'invalid_grant' } });
  });
});

describe('an access token that has expired', () => {
  // The client `brief` of the bundled server gets access tokens that live for two seconds.
  const brief = { AUTH0_CLIENT_ID: 'brief', AUTH0_CLIENT_SECRET: 'brief-local-secret' };

  it.each([
    ['is refreshed', '60', 200],
    ['is not refreshed after the limit', '1', 401],
  ])('%s', async (_title, limitSeconds, status) => {
    const suite = await Suite.open({ ...brief, REFRESH_EXPIRED_LIMIT_SECONDS: limitSeconds });
    const token = await suite.login(ada);
    await delay(3_500);
    expect(await suite.venue('/venues', { token })).toMatchObject({ status: 401 });
    const answer = await suite.gateway('/auth/refresh', { method: 'POST', token });
    await suite.close();
    expect(answer.status).toBe(status);
  });
});

describe('an opaque token', () => {
  it('that was logged out stays so for as long as it can last, and not until it would be asked about again', async () => {
    const suite = await Suite.open();
    const { access_token: token } = await suite.tokensFromIssuer({ scope: 'openid' });
    expect(await suite.gateway('/auth/me', { token })).toMatchObject({ status: 200 });
    expect(await suite.logout(token)).toMatchObject({ status: 204 });
    expect(await suite.gateway('/auth/me', { token })).toMatchObject({ status: 401 });
    const denials = (await suite.own!.redis.cli('--scan', '--pattern', 'deny:v1:token:*')).split('\n');
    const ttls = await Promise.all(denials.map((key) => suite.own!.redis.cli('TTL', key)));
    await suite.close();
    expect(ttls.map(Number)).toEqual([expect.closeTo(30 * 24 * 3600, -2)]);
  });
});

describe('refresh over two gateways and two user-tokens', () => {
  const ROUNDS = 200;
  const CALLERS = 50;
  let redis: RedisServer;
  let services: ServiceProcess[] = [];
  let gateways: ServiceProcess[];

  beforeAll(async () => {
    redis = await RedisServer.start();
    const identity = await ServiceProcess.start('identity');
    const shared = { REDIS_URL: redis.url, AUTH0_ISSUER_URL: `http://localhost:${identity.port}/` };
    const userTokens = await Promise.all([1, 2].map(() => ServiceProcess.start('user-token', shared)));
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
  }, 120_000);
});

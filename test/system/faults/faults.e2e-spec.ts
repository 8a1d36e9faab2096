import { setTimeout as delay } from 'node:timers/promises';
import { freePort, RedisServer } from '@app/test-support/redis/redis-server';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { ada } from '@app/test-support/suite/suite';
import { until } from '@app/test-support/timing/until';

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly durationMs: number;
}

/** Longer than any answer may take. A request that hangs fails here, before Jest's own limit. */
const PATIENCE_MS = 3_000;

describe('services in their own processes', () => {
  let redis: RedisServer;
  let identity: ServiceProcess;
  let userToken: ServiceProcess;
  let gateway: ServiceProcess;
  let venue: ServiceProcess;
  let userTokenPort: number;
  const shared = () => ({
    REDIS_URL: redis.url,
    AUTH0_ISSUER_URL: `http://localhost:${identity.port}/`,
    USER_TOKEN_URL: `tcp://127.0.0.1:${userTokenPort}`,
  });

  beforeAll(async () => {
    redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    userTokenPort = await freePort();
    identity = await ServiceProcess.start('identity');
    userToken = await startUserToken();
    [gateway, venue] = await Promise.all([
      ServiceProcess.start('gateway', shared()),
      ServiceProcess.start('venue', shared()),
    ]);
  });

  afterAll(async () => {
    await Promise.all([venue, gateway, userToken, identity].map((service) => service?.stop('SIGKILL')));
    await redis.stop();
  });

  const startUserToken = () =>
    ServiceProcess.start('user-token', { ...shared(), PORT: String(userTokenPort) });

  async function send(url: string, init: RequestInit = {}): Promise<Reply & { body: any }> {
    const startedAt = performance.now();
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
    const text = await response.text();
    const durationMs = performance.now() - startedAt;
    return { status: response.status, headers: response.headers, durationMs, body: text && JSON.parse(text) };
  }

  const call = (token: string): Promise<Reply> =>
    send(`http://localhost:${venue.port}/venues`, { headers: { authorization: `Bearer ${token}` } });
  const post = (path: string, token: string): Promise<Reply> =>
    send(`http://localhost:${gateway.port}/auth/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
  const tryLogin = () =>
    send(`http://localhost:${gateway.port}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ada),
    });

  /** Venue and gateway have separate connections to user-token: an answer to one tells nothing about the other. */
  const gatewayIsBack = () => until(async () => (await tryLogin()).status === 200);

  /** user-token has written all its denials to the current Redis. */
  async function isKept(): Promise<boolean> {
    const generation = await redis.cli('GET', (await redis.cli('KEYS', '*:generation:v1')).trim());
    const [, runId = 'none'] = /run_id:(\w+)/.exec(await redis.cli('INFO', 'server')) ?? [];
    return generation.includes(runId) && !generation.startsWith('merging:');
  }

  async function login(): Promise<string> {
    const { status, body } = await tryLogin();
    expect(status).toBe(200);
    return body.access_token as string;
  }

  describe.each<[string, () => Promise<void>, () => Promise<void>]>([
    ['dead', () => redis.kill(), () => redis.restart()],
    ['frozen', async () => redis.freeze(), async () => redis.thaw()],
  ])('while Redis is %s', (_title, breakRedis, mendRedis) => {
    let known: string;
    let unknown: string;
    let loggedOut: string;

    beforeAll(async () => {
      // The Redis of the previous row may have been mended a moment ago.
      await until(async () => (await tryLogin()).status === 200);
      await until(isKept, 10_000);
      [known, unknown, loggedOut] = [await login(), await login(), await login()];
      expect((await call(known)).status).toBe(200);
      expect((await post('logout', loggedOut)).status).toBe(204);
      await breakRedis();
    });

    afterAll(mendRedis);

    it('accepts a valid token, known or not, and never answers 401', async () => {
      for (let i = 0; i < 20; i += 1) {
        for (const token of [known, unknown]) {
          const reply = await call(token);
          expect(reply.status).toBe(200);
        }
      }
    });

    it('still refuses a token that was logged out before', async () => {
      expect((await call(loggedOut)).status).toBe(401);
    });

    it('fails a log-out with 503 and Retry-After, and the token stays valid', async () => {
      const reply = await post('logout', known);
      expect(reply.status).toBe(503);
      expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
      expect((await call(known)).status).toBe(200);
    });

    it('fails log-in and refresh with 503, because no session can be stored', async () => {
      expect((await tryLogin()).status).toBe(503);
      expect((await post('refresh', known)).status).toBe(503);
    });

    it('works again by itself once Redis is back', async () => {
      await mendRedis();
      await until(async () => (await post('logout', known)).status === 204);
      expect((await call(known)).status).toBe(401);
      expect((await call(loggedOut)).status).toBe(401);
      await until(async () => (await call(unknown)).status === 200, 10_000);
      await until(async () => (await tryLogin()).status === 200, 10_000);
    });
  });

  it('heals a Redis that comes back empty: log-outs stay in force', async () => {
    const token = await login();
    expect((await call(token)).status).toBe(200);
    expect((await post('logout', token)).status).toBe(204);
    await redis.cli('FLUSHALL');
    await redis.restart();
    await until(async () => (await tryLogin()).status === 200);
    await until(async () => (await redis.cli('KEYS', '*:deny:*')) !== '');
    expect((await call(token)).status).toBe(401);
    await userToken.stop('SIGKILL');
    userToken = await startUserToken();
    await until(async () => (await call(token)).status !== 503);
    expect((await call(token)).status).toBe(401);
    await gatewayIsBack();
  });

  it('remember log-outs after the death of Redis and user-token', async () => {
    const token = await login();
    expect((await post('logout', token)).status).toBe(204);
    await Promise.all([userToken.stop('SIGKILL'), redis.kill()]);
    await redis.restart();
    userToken = await startUserToken();
    await until(async () => (await call(token)).status !== 503);
    expect((await call(token)).status).toBe(401);
    await gatewayIsBack();
  });

  it('accept known tokens and answer 503 for others while user-token is dead, and recover', async () => {
    const [known, unknown] = [await login(), await login()];
    expect((await call(known)).status).toBe(200);
    await userToken.stop('SIGKILL');
    expect((await call(known)).status).toBe(200);
    const reply = await call(unknown);
    expect(reply.status).toBe(503);
    expect(reply.headers.get('retry-after')).toBe('1');
    expect(reply.headers.get('www-authenticate')).toBeNull();
    userToken = await startUserToken();
    await until(async () => (await call(unknown)).status === 200);
    await gatewayIsBack();
  });

  it('answer 503 and not 401 while user-token is frozen, and recover', async () => {
    const [known, unknown] = [await login(), await login()];
    expect((await call(known)).status).toBe(200);
    userToken.signal('SIGSTOP');
    expect((await call(known)).status).toBe(200);
    const reply = await call(unknown);
    expect(reply.status).toBe(503);
    expect(reply.headers.get('retry-after')).toBe('1');
    userToken.signal('SIGCONT');
    await until(async () => (await call(unknown)).status === 200);
    await gatewayIsBack();
  });

  it('answer 503 and not 401 while the authorization server is frozen', async () => {
    const known = await login();
    identity.signal('SIGSTOP');
    try {
      expect((await call(known)).status).toBe(200);
      const attempt = fetch(`http://localhost:${gateway.port}/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(ada),
      });
      expect((await attempt).status).toBe(503);
    } finally {
      identity.signal('SIGCONT');
    }
    await until(async () => (await tryLogin()).status === 200);
  });

  it('answer 503 after the start of a user-token without Redis, because it knows no denials', async () => {
    const token = await login();
    await userToken.stop('SIGKILL');
    await redis.kill();
    userToken = await startUserToken();
    await until(async () => (await call(token)).status === 503);
    await redis.restart();
    await until(async () => (await call(token)).status === 200);
    await gatewayIsBack();
  });

  it('answer the log-in under way when gateway and user-token get SIGTERM', async () => {
    identity.signal('SIGSTOP');
    const attempt = tryLogin();
    await delay(200);
    const stopped = Promise.all([gateway.stop(), userToken.stop()]);
    await delay(200);
    identity.signal('SIGCONT');
    expect((await attempt).status).toBe(200);
    expect(await stopped).toEqual([
      { code: 0, signal: null },
      { code: 0, signal: null },
    ]);
    userToken = await startUserToken();
    gateway = await ServiceProcess.start('gateway', shared());
  });
});

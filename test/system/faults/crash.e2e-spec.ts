import { setTimeout as delay } from 'node:timers/promises';
import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { until } from '@app/test-support/timing/until';

/** Longer than the lock of a refresh with UPSTREAM_TIMEOUT_MS=500. */
const LOCK_MS = 4_000;

describe('an interrupted refresh', () => {
  let issuer: ScriptedIssuer;
  let redis: RedisServer;
  let userToken: ServiceProcess;
  let gateway: ServiceProcess;
  let spent: Set<string>;
  let settings: Record<string, string>;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
    redis = await RedisServer.start();
    settings = { REDIS_URL: redis.url, AUTH0_ISSUER_URL: issuer.issuer, UPSTREAM_TIMEOUT_MS: '500' };
    userToken = await ServiceProcess.start('user-token', settings);
    settings['PORT'] = String(userToken.port);
    const url = `tcp://127.0.0.1:${userToken.port}`;
    const shared = { REDIS_URL: redis.url, AUTH0_ISSUER_URL: issuer.issuer };
    gateway = await ServiceProcess.start('gateway', { ...shared, USER_TOKEN_URL: url });
  });

  afterAll(async () => {
    await Promise.all([gateway.stop('SIGKILL'), userToken.stop('SIGKILL')]);
    await redis.stop();
    await issuer.stop();
  });

  beforeEach(() => {
    issuer.asked.length = 0;
    spent = new Set();
    // Rotation without leeway: a refresh token is valid once.
    issuer.answers((form) => {
      const used = form.get('refresh_token');
      if (used === null) return issuer.grant();
      if (spent.has(used)) return { status: 403, body: { error: 'invalid_grant' } };
      spent.add(used);
      return issuer.grant();
    });
  });

  const refreshes = () => issuer.asked.filter((form) => form.get('grant_type') === 'refresh_token');
  async function post(path: string, init: RequestInit): Promise<{ status: number; body: any }> {
    const response = await fetch(`http://localhost:${gateway.port}${path}`, { method: 'POST', ...init });
    return { status: response.status, body: await response.json().catch(() => undefined) };
  }
  async function logIn(): Promise<string> {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ username: 'ada@example.com', password: 'x' });
    let answer = await post('/auth/login', { headers, body });
    // Redis may have been frozen until a moment ago.
    await until(
      async () =>
        answer.status === 200 || (answer = await post('/auth/login', { headers, body })).status === 200,
    );
    return answer.body.access_token;
  }
  const tryRefresh = (token: string) =>
    post('/auth/refresh', { headers: { authorization: `Bearer ${token}` } });
  async function restartUserToken(): Promise<void> {
    await userToken.stop('SIGKILL');
    userToken = await ServiceProcess.start('user-token', settings);
  }
  /** Repeats the request as a front end does, until the answer is not "try again". */
  async function retried(token: string) {
    const deadline = Date.now() + LOCK_MS + 3_000;
    let answer = await tryRefresh(token);
    while (answer.status === 503 && Date.now() < deadline) {
      await delay(100);
      answer = await tryRefresh(token);
    }
    return answer;
  }

  it('by the death of user-token before Auth0 accepted the refresh token: the retry succeeds', async () => {
    const token = await logIn();
    issuer.answers(() => new Promise(() => undefined));
    const cut = tryRefresh(token);
    await until(() => refreshes().length > 0);
    issuer.answers(() => issuer.grant());
    await restartUserToken();
    expect((await cut).status).not.toBe(401);
    const answer = await retried(token);
    expect(answer.status).toBe(200);
    expect(answer.body.access_token).not.toBe(token);
  }, 30_000);

  it('by the death of user-token after Auth0 accepted the refresh token: a clean "log in again", and no loop', async () => {
    const token = await logIn();
    issuer.answers((form) => {
      spent.add(form.get('refresh_token')!);
      return new Promise(() => undefined);
    });
    const cut = tryRefresh(token);
    await until(() => spent.size > 0);
    issuer.answers({ status: 403, body: { error: 'invalid_grant' } });
    await restartUserToken();
    await cut;
    expect(await retried(token)).toMatchObject({ status: 401, body: { error: 'invalid_grant' } });
    const asked = refreshes().length;
    for (let i = 0; i < 3; i += 1) expect((await tryRefresh(token)).status).toBe(401);
    expect(refreshes()).toHaveLength(asked);
    issuer.answers(() => issuer.grant());
    expect((await tryRefresh(await logIn())).status).toBe(200);
  }, 30_000);

  it('by the silence of Redis after the answer of Auth0: the retry gets this answer, without a question to Auth0', async () => {
    const token = await logIn();
    issuer.answers(async () => {
      redis.freeze();
      return issuer.grant();
    });
    expect((await tryRefresh(token)).status).toBe(503);
    redis.thaw();
    const answer = await retried(token);
    expect(answer.status).toBe(200);
    expect(refreshes()).toHaveLength(1);
    issuer.answers(() => issuer.grant());
    expect((await tryRefresh(answer.body.access_token)).status).toBe(200);
  }, 30_000);

  it('by the silence of Redis during a log-in: 503, and the grant of Auth0 is revoked', async () => {
    issuer.revoked.length = 0;
    issuer.answers(async () => {
      redis.freeze();
      return issuer.grant();
    });
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ username: 'ada@example.com', password: 'x' });
    const answer = await post('/auth/login', { headers, body });
    redis.thaw();
    expect(answer.status).toBe(503);
    await until(() => issuer.revoked.length > 0);
    expect(issuer.revoked).toEqual([expect.stringMatching(/^upstream-/)]);
  }, 30_000);

  it('is not one that gets the same token from Auth0 within one second: the session lives on, and can be ended', async () => {
    const fixed = {
      jti: 'same',
      iat: Math.floor(Date.now() / 1000),
      exp: Math.floor(Date.now() / 1000) + 3600,
    };
    issuer.answers(() => issuer.grant(fixed));
    const token = await logIn();
    issuer.revoked.length = 0;
    for (let i = 0; i < 2; i += 1) {
      expect(await tryRefresh(token)).toMatchObject({ status: 200, body: { access_token: token } });
    }
    expect(refreshes()).toHaveLength(2);
    expect(refreshes()[0]!.get('refresh_token')).not.toBe(refreshes()[1]!.get('refresh_token'));
    const headers = { authorization: `Bearer ${token}` };
    expect((await post('/auth/logout', { headers })).status).toBe(204);
    expect(issuer.revoked).toHaveLength(1);
    expect((await tryRefresh(token)).status).toBe(401);
  });

  it('by a pause of user-token that outlasts its lock: a log-out meanwhile stays in force', async () => {
    const token = await logIn();
    let answerNow = () => {};
    issuer.answers(async () => {
      await new Promise<void>((resolve) => (answerNow = resolve));
      return issuer.grant();
    });
    const paused = tryRefresh(token).catch(() => undefined);
    await until(() => refreshes().length > 0);
    userToken.signal('SIGSTOP');
    answerNow();
    const second = await ServiceProcess.start('user-token', { ...settings, PORT: '0' });
    const secondGateway = await ServiceProcess.start('gateway', {
      REDIS_URL: redis.url,
      AUTH0_ISSUER_URL: issuer.issuer,
      USER_TOKEN_URL: `tcp://127.0.0.1:${second.port}`,
    });
    await delay(LOCK_MS);
    const at = (path: string, bearer: string, method = 'POST') =>
      fetch(`http://localhost:${secondGateway.port}${path}`, {
        method,
        headers: { authorization: `Bearer ${bearer}` },
      });
    expect((await at('/auth/logout', token)).status).toBe(204);
    userToken.signal('SIGCONT');
    const late = (await paused)?.body?.access_token as string | undefined;
    if (late !== undefined) expect((await at('/auth/me', late, 'GET')).status).toBe(401);
    expect((await at('/auth/refresh', token)).status).toBe(401);
    await Promise.all([second.stop('SIGKILL'), secondGateway.stop('SIGKILL')]);
  }, 30_000);
});

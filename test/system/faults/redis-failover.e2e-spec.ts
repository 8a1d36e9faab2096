import { TestIssuer } from '@app/test-support/issuer/test-issuer';
import { FaultProxy } from '@app/test-support/network/fault-proxy';
import { freePort, RedisServer } from '@app/test-support/redis/redis-server';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { ada } from '@app/test-support/suite/suite';
import { until } from '@app/test-support/timing/until';

const PATIENCE_MS = 15_000;

describe('a promotion of Redis that keeps connections', () => {
  let former: RedisServer;
  let promoted: RedisServer;
  let proxy: FaultProxy;
  let issuer: TestIssuer;
  let services: ServiceProcess[];
  let gateway: ServiceProcess;
  let venue: ServiceProcess;
  let userToken: ServiceProcess;
  let readyPort: number;

  beforeAll(async () => {
    former = await RedisServer.start(['--repl-diskless-sync-delay', '0']);
    promoted = await RedisServer.start(['--replicaof', '127.0.0.1', String(former.port)]);
    proxy = await FaultProxy.start(former.port);
    issuer = await TestIssuer.start();
    readyPort = await freePort();
    const shared = { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, AUTH0_ISSUER_URL: issuer.url };
    const own = { CLOCK_TOLERANCE_SECONDS: '0', OPS_PORT: String(readyPort) };
    userToken = await ServiceProcess.start('user-token', { ...shared, ...own });
    const guarded = { ...shared, USER_TOKEN_URL: `tcp://127.0.0.1:${userToken.port}` };
    [gateway, venue] = await Promise.all([
      ServiceProcess.start('gateway', guarded),
      ServiceProcess.start('venue', guarded),
    ]);
    services = [venue, gateway, userToken, issuer.process];
  });

  afterAll(async () => {
    await Promise.all(services.map((service) => service.stop('SIGKILL')));
    await proxy.stop();
    await former.stop();
    await promoted.stop();
  });

  async function send(url: string, init: RequestInit = {}) {
    const response = await fetch(url, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
    const text = await response.text();
    return { status: response.status, text, body: text && JSON.parse(text) };
  }
  const post = (path: string, token: string) =>
    send(`http://localhost:${gateway.port}/auth/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
  const logIn = () =>
    send(`http://localhost:${gateway.port}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ada),
    });
  const call = async (token: string) =>
    (await send(`http://localhost:${venue.port}/venues`, { headers: { authorization: `Bearer ${token}` } }))
      .status;
  const ready = () => send(`http://127.0.0.1:${readyPort}/health/ready`);

  async function newToken(): Promise<string> {
    const { status, body } = await logIn();
    expect(status).toBe(200);
    return (body as { access_token: string }).access_token;
  }

  it('shows in readiness and log, and log-in, refresh and log-out work as soon as the name leads to the new master', async () => {
    const [kept, ended, gone] = [await newToken(), await newToken(), await newToken()];
    for (const token of [kept, ended, gone]) expect(await call(token)).toBe(200);
    expect((await ready()).status).toBe(200);
    await until(async () => (await promoted.cli('DBSIZE')) === (await former.cli('DBSIZE')), PATIENCE_MS);

    await promoted.cli('REPLICAOF', 'NO', 'ONE');
    // Acknowledged, but unknown to the new master.
    expect((await post('logout', gone)).status).toBe(204);
    await former.cli('REPLICAOF', '127.0.0.1', String(promoted.port));
    await until(async () => (await ready()).status === 503, PATIENCE_MS);
    expect((await ready()).body.error.store.detail).toContain('READONLY');
    expect((await post('logout', ended)).status).toBe(503);
    expect(await call(gone)).toBe(401);
    expect(userToken.stdout).toContain('READONLY');

    proxy.leadTo(promoted.port);
    await until(async () => (await ready()).status === 200, PATIENCE_MS);
    await until(async () => (await logIn()).status === 200, PATIENCE_MS);
    expect((await post('logout', ended)).status).toBe(204);
    for (let i = 0; i < 20; i += 1) {
      expect(await call(ended)).toBe(401);
      expect(await call(gone)).toBe(401);
    }
    expect((await post('refresh', kept)).status).toBe(200);
    await until(async () => (await call(kept)) === 200, PATIENCE_MS);
    expect(await promoted.cli('INFO', 'keyspace')).toContain('db0:');
  });
});

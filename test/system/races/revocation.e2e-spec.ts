import { setTimeout as delay } from 'node:timers/promises';
import { UserTokenClient } from '@app/user-token-client';
import { decodeJwt } from 'jose';
import { FaultProxy } from '@app/test-support/network/fault-proxy';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { ada, grace, type User } from '@app/test-support/suite/suite';
import { until } from '@app/test-support/timing/until';

/** Longest time between the answer to a log-out and a later request that still passes. */
const BOUND_MS = 100;

interface Observation {
  readonly sentAtMs: number;
  readonly status: number;
}

describe('revocation across three venues under load', () => {
  let redis: RedisServer;
  let services: ServiceProcess[] = [];
  let gateway: ServiceProcess;
  let venues: ServiceProcess[];
  let userTokenClient: UserTokenClient;

  beforeAll(async () => {
    redis = await RedisServer.start();
    const identity = await ServiceProcess.start('identity');
    const issuer = {
      REDIS_URL: redis.url,
      AUTH0_ISSUER_URL: `http://localhost:${identity.port}/`,
      LOG_LEVEL: 'warn',
    };
    const loud = { ...issuer, LOG_LEVEL: 'info' };
    // One machine, one clock: log-ins after a log-out everywhere need not wait.
    const userToken = await ServiceProcess.start('user-token', { ...loud, CLOCK_TOLERANCE_SECONDS: '0' });
    const shared = { ...loud, USER_TOKEN_URL: `tcp://127.0.0.1:${userToken.port}` };
    userTokenClient = new UserTokenClient({ urls: shared.USER_TOKEN_URL });
    gateway = await ServiceProcess.start('gateway', shared);
    venues = await Promise.all([1, 2, 3].map(() => ServiceProcess.start('venue', shared)));
    services = [...venues, gateway, userToken, identity];
  });

  afterAll(async () => {
    userTokenClient.close();
    await Promise.all(services.map((service) => service.stop('SIGKILL')));
    await redis.stop();
  });

  async function login(user: User): Promise<string> {
    const response = await fetch(`http://localhost:${gateway.port}/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(user),
    });
    const { access_token: accessToken } = (await response.json()) as { access_token: string };
    return accessToken;
  }

  async function call(venue: ServiceProcess, token: string): Promise<Observation> {
    const sentAtMs = performance.now();
    const response = await fetch(`http://localhost:${venue.port}/venues`, {
      headers: { authorization: `Bearer ${token}` },
    });
    await response.arrayBuffer();
    return { sentAtMs, status: response.status };
  }

  const end = (how: string, token: string) =>
    fetch(`http://localhost:${gateway.port}/auth/${how}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });

  const logOut = async (how: string, token: string) => expect((await end(how, token)).status).toBe(204);

  it.each<[string, (token: string) => Promise<unknown>]>([
    ['/auth/logout', (token) => logOut('logout', token)],
    ['/auth/logout-all', (token) => logOut('logout-all', token)],
    ['subject.revoke', (token) => userTokenClient.revokeSubject({ subject: decodeJwt(token).sub! })],
  ])('%s ends access everywhere at once, caches included', async (_how, endAccess) => {
    const bystander = await login(grace);
    const token = await login(ada);
    for (const venue of venues) expect((await call(venue, token)).status).toBe(200);

    const observed: Observation[] = [];
    const others: Observation[] = [];
    let going = true;
    const load = venues.flatMap((venue) =>
      Array.from({ length: 4 }, async () => {
        while (going) {
          observed.push(await call(venue, token));
          others.push(await call(venue, bystander));
        }
      }),
    );
    await delay(200);
    await endAccess(token);
    const answeredAtMs = performance.now();
    const late = () => observed.filter(({ sentAtMs }) => sentAtMs > answeredAtMs + BOUND_MS);
    await until(() => late().length > 20, 10_000);
    going = false;
    await Promise.all(load);

    expect(new Set(late().map(({ status }) => status))).toEqual(new Set([401]));
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set([200]));
  });

  it('reaches a venue that was paused and missed the message', async () => {
    const [paused] = venues as [ServiceProcess];
    const token = await login(ada);
    expect((await call(paused, token)).status).toBe(200);
    paused.signal('SIGSTOP');
    expect((await end('logout', token)).status).toBe(204);
    await delay(700);
    // Sent while the process stands still, and answered first after that.
    const waiting = Array.from({ length: 10 }, () => call(paused, token));
    paused.signal('SIGCONT');
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual(Array(10).fill(401));
  });

  it('reaches a venue after its restart', async () => {
    const token = await login(ada);
    for (const venue of venues) expect((await call(venue, token)).status).toBe(200);
    expect((await end('logout', token)).status).toBe(204);
    const { port } = venues[0]!;
    await venues[0]!.stop();
    const started = await ServiceProcess.start('venue', {
      REDIS_URL: redis.url,
      AUTH0_ISSUER_URL: `http://localhost:${services.find(({ name }) => name === 'identity')!.port}/`,
      USER_TOKEN_URL: `tcp://127.0.0.1:${services.find(({ name }) => name === 'user-token')!.port}`,
      PORT: String(port),
    });
    venues[0] = started;
    services.push(started);
    expect((await call(started, token)).status).toBe(401);
  });

  it('reaches a user-token that was cut off from Redis, as soon as the connection is back', async () => {
    const proxy = await FaultProxy.start(redis.port);
    const identity = services.find(({ name }) => name === 'identity')!;
    const cutOff = await ServiceProcess.start('user-token', {
      REDIS_URL: `redis://127.0.0.1:${proxy.port}`,
      AUTH0_ISSUER_URL: `http://localhost:${identity.port}/`,
    });
    const venue = await ServiceProcess.start('venue', {
      REDIS_URL: redis.url,
      AUTH0_ISSUER_URL: `http://localhost:${identity.port}/`,
      USER_TOKEN_URL: `tcp://127.0.0.1:${cutOff.port}`,
    });
    services.push(venue, cutOff);
    const token = await login(ada);
    // From here on it answers from its own copy, which lacks the next revocations.
    proxy.cut();
    await until(async () => cutOff.stdout.includes('is away'));
    expect((await end('logout', token)).status).toBe(204);
    expect((await call(venue, token)).status).toBe(200);
    proxy.pass();
    await until(async () => cutOff.stdout.includes('(commands) is back'));
    expect((await call(venue, token)).status).toBe(401);
    await proxy.stop();
  });

  it('reaches a venue whose connection to Redis was cut', async () => {
    const token = await login(ada);
    for (const venue of venues) expect((await call(venue, token)).status).toBe(200);
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until(async () => (await end('logout', token)).status === 204);
    const observed = await Promise.all(venues.map((venue) => call(venue, token)));
    expect(observed.map(({ status }) => status)).toEqual([401, 401, 401]);
  });
});

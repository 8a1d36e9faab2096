import { setTimeout as delay } from 'node:timers/promises';
import { UserTokenClient } from '@app/user-token-client';
import { decodeJwt } from 'jose';
import { TestIssuer } from '@app/test-support/issuer/test-issuer';
import { FaultProxy } from '@app/test-support/network/fault-proxy';
import { freePort, RedisServer } from '@app/test-support/redis/redis-server';
import { LOAD_MS, OracleClient, type OracleCase } from '@app/test-support/suite/oracle-client';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { ada } from '@app/test-support/suite/suite';
import { MachinePauses } from '@app/test-support/timing/machine-pauses';
import { until } from '@app/test-support/timing/until';

/** Venue and user-token may each wait 100 ms for Redis; the rest is for processes on two shared processors. */
const WAIT_MS = 2 * 100;
const SLACK_MS = 400;
/** Longest time from the recovery of Redis to that of the services. */
const MENDED_MS = 3_000;
const PATIENCE_MS = 5_000;

interface Fault {
  readonly title: string;
  readonly breakRedis: () => unknown;
  readonly mendRedis: () => unknown;
}

describe('Redis at fault', () => {
  let machine: MachinePauses;
  let redis: RedisServer;
  let proxy: FaultProxy;
  let issuer: TestIssuer;
  let userToken: ServiceProcess;
  let gateway: ServiceProcess;
  let venue: ServiceProcess;

  beforeAll(async () => {
    machine = await MachinePauses.watch();
    redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    proxy = await FaultProxy.start(redis.port);
    issuer = await TestIssuer.start();
    const shared = { REDIS_URL: `redis://127.0.0.1:${proxy.port}`, AUTH0_ISSUER_URL: issuer.url };
    // One machine, one clock: a log-out everywhere does not deny tokens of the next second.
    userToken = await ServiceProcess.start('user-token', { ...shared, CLOCK_TOLERANCE_SECONDS: '0' });
    const guarded = { ...shared, USER_TOKEN_URL: `tcp://127.0.0.1:${userToken.port}` };
    [gateway, venue] = await Promise.all([
      ServiceProcess.start('gateway', guarded),
      ServiceProcess.start('venue', guarded),
    ]);
  });

  afterAll(async () => {
    const services = [venue, gateway, userToken, issuer?.process];
    await Promise.all(services.map((service) => service?.stop('SIGKILL')));
    await proxy?.stop();
    await redis?.stop();
    await machine?.stop();
  });

  const venues = (of = venue) => `http://localhost:${of.port}/venues`;
  const me = () => `http://localhost:${gateway.port}/auth/me`;

  async function call(token: string, url = venues()): Promise<number> {
    const response = await fetch(url, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    await response.arrayBuffer();
    return response.status;
  }

  async function logOut(token: string, how = 'logout'): Promise<number> {
    const response = await fetch(`http://localhost:${gateway.port}/auth/${how}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    await response.arrayBuffer();
    return response.status;
  }

  async function revokeSubject(token: string): Promise<void> {
    const client = new UserTokenClient({ urls: `tcp://127.0.0.1:${userToken.port}` });
    await client.revokeSubject({ subject: decodeJwt(token).sub! }).finally(() => client.close());
  }

  /** Where a write took too long on a busy machine, the log-in is repeated, as a front end does. */
  async function logIn(): Promise<string> {
    let accessToken: string | undefined;
    await until(async () => {
      const response = await fetch(`http://localhost:${gateway.port}/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(ada),
      });
      const body = (await response.json()) as { access_token?: string };
      accessToken = body.access_token;
      return response.status !== 503;
    }, MENDED_MS);
    expect(accessToken).toEqual(expect.any(String));
    return accessToken!;
  }

  /** Tokens of each kind, in turn: known to the services, new to them, and logged out in two ways. */
  async function everyKind(name: string, count = 150): Promise<OracleCase[]> {
    const [user, gone] = [`auth0|${name}`, `auth0|${name}-gone`];
    const [known, fresh, ended, revoked] = await Promise.all([
      issuer.tokens(5, user),
      issuer.tokens(count, user),
      issuer.tokens(10, user),
      issuer.tokens(count, gone),
    ]);
    // The caches know them from before their end; these entries must not count any more.
    for (const token of [...ended.slice(5), ...revoked.slice(0, 5)]) expect(await call(token)).toBe(200);
    for (const token of ended) expect(await logOut(token)).toBe(204);
    expect(await logOut(revoked[0]!, 'logout-all')).toBe(204);
    for (const token of known) {
      expect(await call(token)).toBe(200);
      expect(await call(token, me())).toBe(200);
    }
    return fresh.flatMap((token, i): OracleCase[] => [
      { token, expect: 'accepted', subject: user },
      { token: known[i % known.length]!, expect: 'accepted', subject: user },
      { token: i % 10 === 0 ? ended[(i / 10) % ended.length]! : revoked[i]!, expect: 'refused' },
    ]);
  }

  const setting = (name: string, value: string) => redis.cli('CONFIG', 'SET', name, value);

  const killed: Fault = { title: 'killed', breakRedis: () => redis.kill(), mendRedis: () => redis.restart() };
  const frozen: Fault = { title: 'frozen', breakRedis: () => redis.freeze(), mendRedis: () => redis.thaw() };
  const full: Fault = {
    title: 'full',
    breakRedis: () => setting('maxmemory', '1'),
    mendRedis: () => setting('maxmemory', '0'),
  };
  const readOnly: Fault = {
    title: 'read-only',
    breakRedis: () => setting('min-replicas-to-write', '1'),
    mendRedis: () => setting('min-replicas-to-write', '0'),
  };
  const network = (title: string, breakRedis: () => void): Fault => ({
    title,
    breakRedis,
    mendRedis: () => proxy.pass(),
  });

  describe.each<Fault>([
    killed,
    frozen,
    network('silent', () => proxy.freeze()),
    network('slow by 200 ms each way', () => proxy.delay(200)),
    // Long enough to connect and to read the missed messages. Otherwise user-token cannot know the revocations.
    network('resetting its connections every 300 ms', () => proxy.resetting(300)),
    network('cut off', () => proxy.cut()),
    // All connections at once: a Redis that answers without its announcements may know of more log-outs than user-token.
    network('cut off, then in the middle of answers', () => {
      proxy.cutAfter(150);
      proxy.reset();
    }),
    network('answering garbage', () => proxy.garbage()),
    full,
    readOnly,
    {
      title: 'restarted empty',
      breakRedis: async () => {
        await redis.cli('FLUSHALL');
        await redis.restart();
      },
      mendRedis: () => undefined,
    },
  ])('$title', ({ title, breakRedis, mendRedis }) => {
    it('costs no valid request, admits no revoked token, delays no request, and has no after-effects', async () => {
      const cases = await everyKind(title.replaceAll(' ', '-'));
      const [victim] = await issuer.tokens(1, 'auth0|victim');
      const urls = [venues(), me()];
      const oracle = new OracleClient({ urls, cases, machine });
      try {
        await oracle.hasAnswered(50);
        await breakRedis();
        await delay(LOAD_MS);
        await oracle.hasAnswered(300);
      } finally {
        await mendRedis();
      }
      const mendedAtMs = performance.now();
      await until(async () => (await logOut(victim!)) === 204, 10_000);
      const mendedWithinMs = machine.tookMs(mendedAtMs);
      const report = await oracle.stop();

      expect(report.wrong).toEqual([]);
      expect(report.identified).toBeGreaterThan(50);
      expect(report.maxMs).toBeLessThan(WAIT_MS + SLACK_MS);
      // After one wait in vain other requests do not wait.
      expect(report.p50Ms).toBeLessThan(WAIT_MS / 2);
      expect(mendedWithinMs).toBeLessThan(MENDED_MS);
      expect(await call(victim!)).toBe(401);
    });
  });

  describe.each<Fault>([killed, full, readOnly])(
    'a log-out while Redis is $title',
    ({ breakRedis, mendRedis }) => {
      it('gets 503, changes nothing, and works once Redis is well', async () => {
        const token = await logIn();
        expect(await call(token)).toBe(200);
        await breakRedis();
        try {
          for (const how of ['logout', 'logout-all']) {
            expect(await logOut(token, how)).toBe(503);
            expect(await call(token)).toBe(200);
          }
          await expect(revokeSubject(token)).rejects.toMatchObject({ code: 'store_unavailable' });
          expect(await call(token)).toBe(200);
        } finally {
          await mendRedis();
        }
        expect(await call(token)).toBe(200);
        await until(async () => (await logOut(token)) === 204, MENDED_MS);
        expect(await call(token)).toBe(401);
      });
    },
  );

  it('that is slow by 200 ms each way: a log-out ends access within 500 ms of its answer', async () => {
    const [token] = await issuer.tokens(1, 'auth0|slowly');
    expect(await call(token!)).toBe(200);
    proxy.delay(200);
    try {
      await delay(500);
      const observed: { sentAtMs: number; status: number }[] = [];
      let going = true;
      const load = Array.from({ length: 4 }, async () => {
        while (going) {
          const sentAtMs = performance.now();
          observed.push({ sentAtMs, status: await call(token!) });
          await delay(5);
        }
      });
      await delay(200);
      // The first log-out may get 503 if another call has just waited for Redis in vain.
      await until(async () => (await logOut(token!)) === 204, MENDED_MS);
      const answeredAtMs = performance.now();
      const late = () => observed.filter(({ sentAtMs }) => sentAtMs > answeredAtMs + 500);
      await until(() => late().length > 20, 10_000);
      going = false;
      await Promise.all(load);
      expect(observed[0]!.status).toBe(200);
      expect(new Set(late().map(({ status }) => status))).toEqual(new Set([401]));
    } finally {
      proxy.pass();
    }
  });

  describe('a venue that starts', () => {
    let started: ServiceProcess | undefined;

    afterEach(async () => {
      await started?.stop('SIGKILL');
    });

    async function startVenue(redisUrl: string): Promise<ServiceProcess> {
      return (started = await ServiceProcess.start('venue', {
        REDIS_URL: redisUrl,
        USER_TOKEN_URL: `tcp://127.0.0.1:${userToken.port}`,
      }));
    }

    async function expectToServe(service: ServiceProcess): Promise<void> {
      const cases = await everyKind('at-start', 30);
      // Each case twice: before and after the venue knows the token.
      const report = await OracleClient.run(2 * cases.length, { urls: [venues(service)], cases, machine });
      expect(report).toMatchObject({ wrong: [] });
      expect(report.maxMs).toBeLessThan(WAIT_MS + SLACK_MS);
    }

    it('with a wrong password for Redis still serves, and keeps the password secret', async () => {
      const locked = await RedisServer.start(['--requirepass', 'the-right-one']);
      try {
        const service = await startVenue(`redis://:the-wrong-one@127.0.0.1:${locked.port}`);
        await expectToServe(service);
        await service.printed(/Redis .* is away/);
        expect(service.stdout + service.stderr).not.toContain('the-wrong-one');
      } finally {
        await locked.stop();
      }
    });

    it('while Redis is absent still serves', async () => {
      const service = await startVenue(`redis://127.0.0.1:${await freePort()}`);
      await expectToServe(service);
    });
  });
});

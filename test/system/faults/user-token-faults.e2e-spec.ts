import { setTimeout as delay } from 'node:timers/promises';
import { TestIssuer } from '@app/test-support/issuer/test-issuer';
import { Balancer } from '@app/test-support/network/balancer';
import { freePort, RedisServer } from '@app/test-support/redis/redis-server';
import {
  LOAD_MS,
  OracleClient,
  type OracleCase,
  type OracleReport,
} from '@app/test-support/suite/oracle-client';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { MachinePauses } from '@app/test-support/timing/machine-pauses';
import { until } from '@app/test-support/timing/until';

/** Silence of a frozen process: 100 ms until the ping, 150 ms for its answer. */
const FROZEN_AFTER_MS = 250;
const SLACK_MS = 400;

interface Fault {
  readonly title: string;
  readonly breakIt: () => unknown;
  readonly mendIt: () => unknown;
}

describe('user-token at fault', () => {
  let machine: MachinePauses;
  let redis: RedisServer;
  let issuer: TestIssuer;
  let ports: [number, number];
  let replicas: [ServiceProcess, ServiceProcess];
  let gateway: ServiceProcess;
  let venue: ServiceProcess;
  const guarded = () => ({
    REDIS_URL: redis.url,
    AUTH0_ISSUER_URL: issuer.url,
    USER_TOKEN_URL: ports.map((port) => `tcp://127.0.0.1:${port}`).join(','),
  });
  const venues = () => `http://localhost:${venue.port}/venues`;
  const me = () => `http://localhost:${gateway.port}/auth/me`;

  beforeAll(async () => {
    machine = await MachinePauses.watch();
    redis = await RedisServer.start();
    issuer = await TestIssuer.start();
    ports = [await freePort(), await freePort()];
    replicas = await Promise.all([startReplica(0), startReplica(1)]);
    [gateway, venue] = await Promise.all([
      ServiceProcess.start('gateway', guarded()),
      ServiceProcess.start('venue', guarded()),
    ]);
    // The first answers of new processes are slow for other reasons.
    await OracleClient.run(200, { urls: [venues(), me()], cases: await unknown('auth0|warm-up', 200) });
  });

  afterAll(async () => {
    const services = [venue, gateway, ...(replicas ?? []), issuer?.process];
    await Promise.all(services.map((service) => service?.stop('SIGKILL')));
    await redis?.stop();
    await machine?.stop();
  });

  const startReplica = (index: 0 | 1) =>
    ServiceProcess.start('user-token', { ...guarded(), PORT: String(ports[index]) });

  async function call(token: string) {
    const startedAtMs = performance.now();
    const response = await fetch(venues(), { headers: { authorization: `Bearer ${token}` } });
    await response.arrayBuffer();
    const retryAfter = response.headers.get('retry-after');
    return { status: response.status, retryAfter, durationMs: machine.tookMs(startedAtMs) };
  }

  /** Tokens that no service has seen, enough for a load with few repetitions. */
  async function unknown(subject: string, count = 800): Promise<OracleCase[]> {
    const tokens = await issuer.tokens(count, subject);
    return tokens.map((token) => ({ token, expect: 'accepted', subject }));
  }

  describe.each<Fault & { readonly waitMs: number }>([
    {
      title: 'killed',
      breakIt: async () => void (await replicas[0].stop('SIGKILL')),
      mendIt: async () => void (replicas[0] = await startReplica(0)),
      waitMs: 0,
    },
    {
      title: 'frozen',
      breakIt: () => replicas[0].signal('SIGSTOP'),
      mendIt: () => replicas[0].signal('SIGCONT'),
      waitMs: FROZEN_AFTER_MS,
    },
    {
      title: 'restarted',
      breakIt: async () => {
        expect(await replicas[0].stop('SIGTERM')).toEqual({ code: 0, signal: null });
        replicas[0] = await startReplica(0);
      },
      mendIt: () => undefined,
      waitMs: 0,
    },
  ])('one of two $title', ({ title, breakIt, mendIt, waitMs }) => {
    let report: OracleReport;

    beforeAll(async () => {
      const oracle = new OracleClient({
        urls: [venues(), me()],
        cases: await unknown(`auth0|${title}`),
        machine,
      });
      try {
        await oracle.hasAnswered(100);
        await breakIt();
        await delay(LOAD_MS);
        await oracle.hasAnswered(250);
      } finally {
        await mendIt();
      }
      await delay(300);
      report = await oracle.stop();
    });

    it('shows no error, before, meanwhile and after', () => {
      expect(report.wrong).toEqual([]);
      expect(report.identified).toBeGreaterThan(100);
    });

    it('delays no request for longer than the detection takes', () => {
      expect(report.maxMs).toBeLessThan(waitMs + SLACK_MS);
    });
  });

  describe.each<Fault>([
    {
      title: 'killed',
      breakIt: () => Promise.all(replicas.map((replica) => replica.stop('SIGKILL'))),
      mendIt: async () => void (replicas = await Promise.all([startReplica(0), startReplica(1)])),
    },
    {
      title: 'frozen',
      breakIt: () => replicas.map((replica) => replica.signal('SIGSTOP')),
      mendIt: () => replicas.map((replica) => replica.signal('SIGCONT')),
    },
  ])('both $title', ({ title, breakIt, mendIt }) => {
    it('is a quick 503 for unknown tokens, and known ones still work', async () => {
      const known = await issuer.token(`auth0|${title}-both`);
      const others = await issuer.tokens(6, `auth0|${title}-both`);
      expect(await call(known)).toMatchObject({ status: 200 });
      await breakIt();
      try {
        const replies = [await call(others[0]!), ...(await Promise.all(others.slice(1, 4).map(call)))];
        for (const reply of replies) {
          expect(reply).toMatchObject({ status: 503, retryAfter: '1' });
          expect(reply.durationMs).toBeLessThan(300 + SLACK_MS / 2);
        }
        const cases: OracleCase[] = [
          { token: known, expect: 'accepted' },
          { token: others[4]!, expect: 'either' },
          { token: known, expect: 'accepted' },
        ];
        const report = await OracleClient.run(200, { urls: [venues()], cases, machine });
        expect(report.wrong).toEqual([]);
        expect(report.byStatus).toMatchObject({ 200: expect.any(Number), 503: expect.any(Number) });
        expect(report.maxMs).toBeLessThan(FROZEN_AFTER_MS + SLACK_MS);
      } finally {
        await mendIt();
      }
      await until(async () => (await call(others[5]!)).status === 200, 5_000);
    });
  });

  it('fails no request while two venues behind a balancer restart in turn', async () => {
    const backends = await Promise.all(
      [1, 2].map(async () => ({ port: await freePort(), opsPort: await freePort() })),
    );
    const start = ({ port, opsPort }: (typeof backends)[number]) =>
      ServiceProcess.start('venue', {
        ...guarded(),
        PORT: String(port),
        OPS_PORT: String(opsPort),
        DRAIN_DELAY_MS: '300',
      });
    const running = await Promise.all(backends.map(start));
    const balancer = await Balancer.start(backends);
    try {
      await until(() => backends.every((backend) => balancer.isReady(backend)));
      const [gone] = await issuer.tokens(1, 'auth0|rolling-gone');
      await fetch(`http://localhost:${gateway.port}/auth/logout`, {
        method: 'POST',
        headers: { authorization: `Bearer ${gone}` },
      });
      const cases = await unknown('auth0|rolling', 400);
      const oracle = new OracleClient({
        urls: [`http://127.0.0.1:${balancer.port}/venues`],
        cases: [...cases, { token: gone!, expect: 'refused' }],
      });
      for (const [index, backend] of backends.entries()) {
        const before = oracle.answered;
        await oracle.hasAnswered(before + 50);
        expect(await running[index]!.stop('SIGTERM')).toEqual({ code: 0, signal: null });
        running[index] = await start(backend);
        await until(() => balancer.isReady(backend));
      }
      await oracle.hasAnswered(500);
      const report = await oracle.stop();
      expect(report.wrong).toEqual([]);
    } finally {
      await balancer.stop();
      await Promise.all(running.map((service) => service.stop('SIGKILL')));
    }
  });
});

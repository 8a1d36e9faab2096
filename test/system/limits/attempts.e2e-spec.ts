import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { UserTokenClient } from '@app/user-token-client';
import { ScriptedIssuer, type ScriptedAnswer } from '@app/test-support/issuer/scripted-issuer';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { Suite } from '@app/test-support/suite/suite';
import { until } from '@app/test-support/timing/until';

const wrong: ScriptedAnswer = {
  status: 403,
  body: { error: 'invalid_grant', error_description: 'Wrong email or password.' },
};
const TOTAL = 200;

describe('attempts to log in', () => {
  let issuer: ScriptedIssuer;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
  });

  beforeEach(() => {
    issuer.asked.length = 0;
    issuer.askedHeaders.length = 0;
    issuer.answers(wrong);
  });

  afterAll(() => issuer.stop());

  describe('over two gateways and two user-tokens', () => {
    let redis: RedisServer;
    let services: ServiceProcess[] = [];
    let gateways: ServiceProcess[];

    beforeAll(async () => {
      redis = await RedisServer.start();
      const shared = { REDIS_URL: redis.url, AUTH0_ISSUER_URL: issuer.issuer };
      const userTokens = await Promise.all([1, 2].map(() => ServiceProcess.start('user-token', shared)));
      const urls = userTokens.map(({ port }) => `tcp://127.0.0.1:${port}`).join(',');
      const gateway = { ...shared, USER_TOKEN_URL: urls, TRUSTED_PROXY_HOPS: '1' };
      gateways = await Promise.all([1, 2].map(() => ServiceProcess.start('gateway', gateway)));
      services = [...gateways, ...userTokens];
    });

    afterAll(async () => {
      await Promise.all(services.map((service) => service.stop('SIGKILL')));
      await redis.stop();
    });

    const tryAt = (at: number, username: string, from: string, headers: Record<string, string> = {}) =>
      fetch(`http://localhost:${gateways[at % 2]!.port}/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': from, ...headers },
        body: JSON.stringify({ username, password: 'guess' }),
      });

    it('reach Auth0 at most ten times for one account, even if many come at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: TOTAL }, (_, i) => tryAt(i, 'ada@example.com', `203.0.113.${i}`)),
      );
      await until(() => issuer.asked.length >= 10, 10_000);
      const of = (status: number) => answers.filter((answer) => answer.status === status);
      const limited = of(429);
      // On a busy machine an answer may come too late (503), and no client gets it.
      expect(issuer.asked.length).toBeLessThanOrEqual(10 + of(503).length);
      expect(of(401).length).toBeLessThanOrEqual(10);
      expect(of(401).length + of(503).length + limited.length).toBe(TOTAL);
      for (const answer of limited) {
        const seconds = Number(answer.headers.get('retry-after'));
        // A few came before the decision about the ten.
        if (seconds > 2) expect(seconds).toBeGreaterThan(800);
        expect(seconds).toBeLessThanOrEqual(900);
      }
      const waitsFor = async () =>
        Number((await tryAt(0, 'ada@example.com', '198.51.100.1')).headers.get('retry-after'));
      await until(async () => (await waitsFor()) > 800, 60_000);
      const counted = issuer.asked.length;
      issuer.answers(() => issuer.grant());
      for (const spelling of ['ada@example.com', ' ADA@example.com', 'ａda@example.com']) {
        expect((await tryAt(0, spelling, '198.51.100.1')).status).toBe(429);
      }
      expect(issuer.asked).toHaveLength(counted);
    }, 120_000);

    it('have a limit for the address, for any account and any user agent', async () => {
      const answers = [];
      for (let i = 0; i < 110; i += 1) {
        const made = {
          'x-real-ip': `10.0.0.${i}`,
          forwarded: `for=10.0.0.${i}`,
          'auth0-forwarded-for': `10.0.0.${i}`,
        };
        answers.push(await tryAt(i, `user-${i}@example.com`, `10.1.1.${i}, 192.0.2.7`, made));
      }
      expect(answers.filter(({ status }) => status === 401)).toHaveLength(100);
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(10);
      expect(issuer.asked).toHaveLength(100);
      expect(new Set(issuer.askedHeaders.map((headers) => headers['auth0-forwarded-for']))).toEqual(
        new Set(['192.0.2.7']),
      );
      expect((await tryAt(0, 'another@example.com', '192.0.2.8')).status).toBe(401);
    });

    it('from one IPv6 network count together', async () => {
      for (let i = 0; i < 100; i += 1) await tryAt(i, `v6-${i}@example.com`, `2001:db8:1:2:${i}::1`);
      expect((await tryAt(0, 'v6@example.com', '2001:db8:1:2:ffff::9')).status).toBe(429);
      expect((await tryAt(0, 'v6@example.com', '2001:db8:1:3::1')).status).toBe(401);
    });

    it('with the right password are quick, for 11 of one user at once and for 150 users behind one address', async () => {
      issuer.answers(async () => {
        await delay(50);
        return issuer.grant({ sub: `auth0|${randomUUID()}` });
      });
      /** A busy machine may take longer than other attempts or a gateway wait; these then get a Retry-After. */
      const assertSoonIn = async (attempts: Promise<Response>[]) => {
        for (const { status, headers } of await Promise.all(attempts))
          expect([[200], [429, '2'], [503, '1']]).toContainEqual(
            status === 200 ? [status] : [status, headers.get('retry-after')],
          );
      };
      await assertSoonIn(
        Array.from({ length: 11 }, (_, i) => tryAt(i, 'eleven@example.com', `192.0.2.${60 + i}`)),
      );
      await assertSoonIn(
        Array.from({ length: 150 }, (_, i) => tryAt(i, `office-${i}@example.com`, '192.0.2.90')),
      );
      await until(async () => (await tryAt(0, 'eleven@example.com', '192.0.2.90')).status === 200, 20_000);
    });

    it('that succeed, or that Auth0 could not judge, do not count', async () => {
      const grace = (from: string) => tryAt(0, 'grace@example.com', from);
      for (let i = 0; i < 9; i += 1) expect((await grace('192.0.2.20')).status).toBe(401);
      issuer.answers({ status: 503, body: 'down' });
      for (let i = 0; i < 20; i += 1) expect((await grace('192.0.2.21')).status).toBe(503);
      issuer.answers(() => issuer.grant({ sub: 'auth0|grace' }));
      for (let i = 0; i < 20; i += 1) expect((await grace('192.0.2.22')).status).toBe(200);
      issuer.answers(wrong);
      for (let i = 0; i < 10; i += 1) expect((await grace('192.0.2.23')).status).toBe(401);
      expect((await grace('192.0.2.23')).status).toBe(429);
    });

    it('with input that Auth0 does not accept count', async () => {
      issuer.answers({ status: 413, body: '<html>canary</html>' });
      for (let i = 0; i < 10; i += 1) {
        const answer = await tryAt(i, 'long@example.com', `192.0.2.${40 + i}`);
        expect(answer.status).toBe(400);
        expect(await answer.json()).toMatchObject({ error: 'invalid_request' });
      }
      expect((await tryAt(0, 'long@example.com', '192.0.2.50')).status).toBe(429);
      expect(issuer.asked).toHaveLength(10);
    });

    it('with an unknown code as their answer count', async () => {
      issuer.answers({ status: 403, body: { error: 'brand_new', error_description: 'canary' } });
      for (let i = 0; i < 10; i += 1) {
        const answer = await tryAt(i, 'new@example.com', `192.0.2.${100 + i}`);
        expect([answer.status, await answer.json()]).toEqual([
          403,
          { error: 'access_denied', error_description: 'This user is not allowed to log in here' },
        ]);
      }
      expect((await tryAt(0, 'new@example.com', '192.0.2.110')).status).toBe(429);
    });

    it('that an Action denies neither count nor reset the count', async () => {
      const odd = (from: string) => tryAt(0, 'denied@example.com', from);
      for (let i = 0; i < 9; i += 1) expect((await odd('192.0.2.120')).status).toBe(401);
      issuer.answers({ status: 500, body: { error: 'access_denied', error_description: 'canary' } });
      for (let i = 0; i < 20; i += 1) expect((await odd('192.0.2.121')).status).toBe(403);
      issuer.answers(wrong);
      expect((await odd('192.0.2.122')).status).toBe(401);
      expect((await odd('192.0.2.122')).status).toBe(429);
    });

    it('do not reach Auth0 while there is no count', async () => {
      redis.freeze();
      try {
        const answer = await tryAt(0, 'ada@example.com', '192.0.2.30');
        expect(answer.status).toBe(503);
        expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      } finally {
        redis.thaw();
      }
      expect(issuer.asked).toHaveLength(0);
    });
  });

  it('of a killed user-token hold their places until the lease ends, and do not count', async () => {
    const redis = await RedisServer.start();
    // The lease of an attempt is twice this time plus 5 s.
    const shared = {
      REDIS_URL: redis.url,
      AUTH0_ISSUER_URL: issuer.issuer,
      UPSTREAM_TIMEOUT_MS: '3000',
      LOGIN_ATTEMPTS_WINDOW_SECONDS: '3600',
    };
    const [killed, other] = await Promise.all([1, 2].map(() => ServiceProcess.start('user-token', shared)));
    const clients = [killed!, other!].map(
      ({ port }) => new UserTokenClient({ urls: `tcp://127.0.0.1:${port}`, sessionTimeoutMs: 30_000 }),
    );
    const logInAt = (at: number) => clients[at]!.login({ username: 'ada@example.com', password: 'x' });
    try {
      issuer.answers(() => new Promise<never>(() => undefined));
      const lost = Promise.allSettled(Array.from({ length: 10 }, () => logInAt(0)));
      await until(() => issuer.asked.length === 10, 10_000);
      await killed!.stop('SIGKILL');
      expect((await lost).map(({ status }) => status)).not.toContain('fulfilled');
      issuer.answers(wrong);
      expect(await logInAt(1)).toEqual({ granted: false, error: 'too_many_attempts', retryAfterSeconds: 2 });
      expect(issuer.asked).toHaveLength(10);
      await until(async () => {
        const result = await logInAt(1);
        return 'error' in result && result.error === 'invalid_grant';
      }, 30_000);
    } finally {
      for (const client of clients) client.close();
      await Promise.all([killed!.stop('SIGKILL'), other!.stop('SIGKILL')]);
      await redis.stop();
    }
  }, 60_000);

  describe("Auth0's own answers", () => {
    let suite: Suite;

    beforeAll(async () => {
      suite = await Suite.open({ AUTH0_ISSUER_URL: issuer.issuer, LOGIN_ATTEMPTS_PER_ACCOUNT: '1000' });
    });

    afterAll(() => suite.close());

    const credentials = { username: 'ada@example.com', password: 'canary-password' };
    const portal = Buffer.from('portal:portal-secret-for-local-use').toString('base64');
    const frontEnd = () => suite.tryLogin(credentials);
    const registered = () =>
      suite.gateway('/oauth2/token', {
        method: 'POST',
        headers: { authorization: `Basic ${portal}`, 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ grant_type: 'password', ...credentials }).toString(),
      });

    it.each<[string, ScriptedAnswer, number, string]>([
      ['a wrong password', wrong, 401, 'invalid_grant'],
      [
        'a blocked user',
        { status: 401, body: { error: 'unauthorized', error_description: 'user is blocked' } },
        401,
        'invalid_grant',
      ],
      ['too many attempts', { status: 429, body: { error: 'too_many_attempts' } }, 429, 'too_many_attempts'],
      [
        'a denial by an Action',
        { status: 400, body: { error: 'access_denied', error_description: 'canary' } },
        403,
        'access_denied',
      ],
      [
        'a denial by an Action, as a failure',
        { status: 500, body: { error: 'access_denied', error_description: 'canary' } },
        403,
        'access_denied',
      ],
      [
        'a wrong client secret',
        { status: 401, body: { error: 'access_denied', error_description: 'Unauthorized' } },
        503,
        'temporarily_unavailable',
      ],
      [
        'an unknown audience',
        {
          status: 403,
          body: { error: 'access_denied', error_description: 'Service not enabled within domain: canary' },
        },
        503,
        'temporarily_unavailable',
      ],
      ['a code that is not known', { status: 403, body: { error: 'canary' } }, 403, 'access_denied'],
      ['a leaked password', { status: 401, body: { error: 'password_leaked' } }, 403, 'password_leaked'],
      ['a malformed request', { status: 400, body: { error: 'invalid_request' } }, 400, 'invalid_request'],
      ['a request that is too large', { status: 413, body: '<html>canary</html>' }, 400, 'invalid_request'],
      [
        'bot detection',
        { status: 401, body: { error: 'requires_verification' } },
        403,
        'requires_verification',
      ],
      [
        'a rate limit',
        { status: 429, body: { error: 'too_many_requests' }, headers: { 'retry-after': '7' } },
        503,
        'temporarily_unavailable',
      ],
      [
        'a failure',
        { status: 500, body: { error: 'server_error', error_description: 'canary' } },
        503,
        'temporarily_unavailable',
      ],
      ['a page of HTML', { status: 502, body: '<html>canary</html>' }, 503, 'temporarily_unavailable'],
      [
        'a page of HTML with 200',
        { status: 200, body: '<html>canary</html>' },
        503,
        'temporarily_unavailable',
      ],
      [
        'a token of an unknown type',
        { status: 200, body: { access_token: 'x', token_type: 'mac' } },
        503,
        'temporarily_unavailable',
      ],
    ])('%s', async (_title, answer, status, error) => {
      for (const logIn of [frontEnd, registered]) {
        issuer.answers(answer);
        const given = await logIn();
        expect(given).toMatchObject({ status, body: { error, error_description: expect.any(String) } });
        expect(given.text).not.toContain('canary');
        const waits = status === 429 || status === 503;
        expect(given.headers.get('retry-after')).toEqual(waits ? expect.stringMatching(/^\d+$/) : null);
        if (error === 'temporarily_unavailable' && answer.headers)
          expect(given.headers.get('retry-after')).toBe('7');
      }
      expect(suite.logs.filter((line) => line.includes('canary-password'))).toEqual([]);
    });

    it('a second factor: 403 with a handle that hides the mfa_token, there and in the log', async () => {
      issuer.answers({ status: 403, body: { error: 'mfa_required', mfa_token: 'Fe26.canary-mfa-token' } });
      for (const logIn of [frontEnd, registered]) {
        const given = await logIn();
        expect(given).toMatchObject({
          status: 403,
          body: { error: 'mfa_required', mfa_handle: expect.stringMatching(/^[\w-]{40,}$/) },
        });
        expect(Buffer.from(given.body.mfa_handle, 'base64url').toString('latin1')).not.toContain('Fe26');
        expect(given.text).not.toContain('mfa_token');
      }
      expect(suite.logs.filter((line) => line.includes('canary-mfa-token'))).toEqual([]);
      expect(Object.entries(await suite.own!.redis.dump()).join()).not.toContain('canary-mfa-token');
    });

    it('passes on the exact input, encoded once', async () => {
      const password = 'x&grant_type=client_credentials&audience=https://tenant/api/v2/ %00\r\n ';
      await suite.tryLogin({ username: ' Ada+1@example.com', password });
      const form = issuer.asked[0]!;
      expect([form.get('username'), form.get('password')]).toEqual([' Ada+1@example.com', password]);
      expect([form.getAll('grant_type'), form.getAll('audience')]).toEqual([
        ['password'],
        ['https://api.venue.example/'],
      ]);
    });
  });

  describe('that an Action denies', () => {
    let suite: Suite;

    beforeAll(async () => {
      suite = await Suite.open({ AUTH0_ISSUER_URL: issuer.issuer, LOGIN_DENIAL_DESCRIPTIONS: 'pass' });
    });

    afterAll(() => suite.close());

    const credentials = { username: 'ada@example.com', password: 'canary-password' };
    const token = (form: Record<string, string>) =>
      suite.gateway('/oauth2/token', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({
          client_id: 'portal',
          client_secret: 'portal-secret-for-local-use',
          ...form,
        }).toString(),
      });
    const denies = (description: string, status = 403) =>
      issuer.answers({ status, body: { error: 'access_denied', error_description: description } });

    it.each([
      ['Only on weekdays', 'Only on weekdays'],
      ['Gesperrt: "Kündigung"\r\nC:\\', "Gesperrt: 'Kundigung' C:?"],
      ['禁止', 'This user is not allowed to log in here'],
    ])(
      'give their reason with LOGIN_DENIAL_DESCRIPTIONS=pass, to clients in the characters of RFC 6749: %s',
      async (why, toClients) => {
        denies(why);
        const error = 'access_denied';
        const [own, client] = [
          await suite.tryLogin(credentials),
          await token({ grant_type: 'password', ...credentials }),
        ];
        expect([own.status, own.body]).toEqual([403, { error, error_description: why.replace('\r\n', ' ') }]);
        expect([client.status, client.body]).toEqual([403, { error, error_description: toClients }]);
      },
    );

    it('end the session at a refresh', async () => {
      issuer.answers(() => issuer.grant());
      const own = (await suite.tryLogin(credentials)).body.access_token as string;
      const pair = (await token({ grant_type: 'password', ...credentials })).body;
      issuer.revoked.length = 0;
      denies('Only on weekdays');
      const refreshed = [
        await suite.gateway('/auth/refresh', { method: 'POST', token: own }),
        await token({ grant_type: 'refresh_token', refresh_token: pair.refresh_token }),
      ];
      for (const { status, body } of refreshed)
        expect({ status, error: body.error }).toEqual({ status: 401, error: 'invalid_grant' });
      expect(issuer.revoked).toHaveLength(2);
      for (const access of [own, pair.access_token])
        expect((await suite.venue('/venues', { token: access })).status).toBe(401);
    });

    it('because of our settings at a refresh cost no session', async () => {
      issuer.answers(() => issuer.grant());
      const own = (await suite.tryLogin(credentials)).body.access_token as string;
      denies('Unauthorized', 401);
      expect((await suite.gateway('/auth/refresh', { method: 'POST', token: own })).status).toBe(503);
      expect(suite.logs.join('')).toContain('compare AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET');
      issuer.answers(() => issuer.grant());
      expect((await suite.gateway('/auth/refresh', { method: 'POST', token: own })).status).toBe(200);
    });
  });
});

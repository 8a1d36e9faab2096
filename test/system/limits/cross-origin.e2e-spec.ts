import { ada, Suite } from '@app/test-support/suite/suite';

const APP = 'https://app.acme.example';

describe('a front end of another origin in CORS_ORIGINS', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open({ CORS_ORIGINS: `${APP},http://localhost:5173` });
  });

  afterAll(async () => {
    await suite.close();
  });

  const from = (origin: string, more: Record<string, string> = {}) => ({ headers: { origin, ...more } });
  const preflight = (method: string, origin: string) => ({
    method: 'OPTIONS',
    ...from(origin, {
      'access-control-request-method': method,
      'access-control-request-headers': 'authorization',
    }),
  });

  it('may call gateway and venue, and no other origin may', async () => {
    for (const [origin, allowed] of [
      [APP, APP],
      ['http://localhost:5173', 'http://localhost:5173'],
      ['https://evil.example', null],
      ['null', null],
    ] as const) {
      const answers = [
        await suite.gateway('/auth/login', preflight('POST', origin)),
        await suite.gateway('/oauth2/token', preflight('POST', origin)),
        await suite.gateway('/auth/sessions/1', preflight('DELETE', origin)),
        await suite.venue('/venues', preflight('GET', origin)),
        await suite.venue('/venues/1', preflight('DELETE', origin)),
      ];
      for (const { status, headers } of answers) {
        expect([status, headers.get('access-control-allow-origin')]).toEqual([204, allowed]);
        expect(headers.get('access-control-allow-credentials')).toBeNull();
      }
    }
  });

  it('can read the reason of a refusal, the time to retry, and the request id', async () => {
    const token = await suite.login(ada);
    const answers = [
      await suite.venue('/venues', { token, ...from(APP) }),
      await suite.venue('/venues', from(APP)),
      await suite.venue('/%ZZ', from(APP)),
      await suite.gateway('/auth/login', {
        method: 'POST',
        body: '{}',
        ...from(APP, { 'content-type': 'text/plain' }),
      }),
      await suite.gateway('/auth/me', from(APP)),
      await suite.gateway('/nowhere', from(APP)),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 401, 400, 415, 401, 404]);
    for (const { headers } of answers) {
      expect(headers.get('access-control-allow-origin')).toBe(APP);
      expect(headers.get('access-control-expose-headers')).toBe(
        'WWW-Authenticate, Retry-After, X-Request-Id',
      );
      expect(headers.get('x-request-id')).not.toBeNull();
    }
  });

  it('may not call the bundled authorization server, which is not for pages', async () => {
    const answer = await suite.request(`${suite.issuer}oauth/token`, preflight('POST', APP));
    expect(answer.headers.get('access-control-allow-origin')).toBeNull();
  });
});

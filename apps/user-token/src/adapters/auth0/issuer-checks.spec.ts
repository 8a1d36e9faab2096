import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Fault } from '@app/ops';
import { SETTING_ERRORS } from '@app/test-support/suite/setting-errors';
import { IssuerChecks, type IssuerChecksOptions } from './issuer-checks.js';
import { OpenidAuthorizationServer } from './openid-authorization-server.js';

interface Answer {
  readonly status: number;
  readonly body: object | string;
  readonly headers?: Readonly<Record<string, string>>;
}

const NO_SUCH_TOKEN: Answer = {
  status: 403,
  body: { error: 'invalid_grant', error_description: 'Unknown or invalid refresh token.' },
};
const NO_USER: Answer = {
  status: 400,
  body: { error: 'invalid_request', error_description: 'Missing required parameter: username' },
};

/** Answers as Auth0 gives them, and as others do. */
describe('what is known of the settings without a log-in', () => {
  let server: Server;
  let issuer: string;
  let forms: URLSearchParams[];
  let toRefresh: Answer | 'reset';
  let toLogIn: Answer | 'reset';
  let discovery: Answer;
  let clockAheadSeconds: number;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const form = new URLSearchParams(Buffer.concat(chunks).toString());
        const isDiscovery = request.url?.endsWith('/.well-known/openid-configuration');
        if (!isDiscovery) forms.push(form);
        const answer = isDiscovery
          ? discovery
          : form.get('grant_type') === 'refresh_token'
            ? toRefresh
            : toLogIn;
        if (answer === 'reset') return void request.socket.destroy();
        const { status, body, headers } = answer;
        const isText = typeof body === 'string';
        response.setHeader('date', new Date(Date.now() + clockAheadSeconds * 1000).toUTCString());
        response.writeHead(status, {
          'content-type': isText ? 'text/html' : 'application/json',
          ...headers,
        });
        response.end(isText ? body : JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  beforeEach(() => {
    forms = [];
    clockAheadSeconds = 0;
    toRefresh = NO_SUCH_TOKEN;
    toLogIn = NO_USER;
    discovery = {
      status: 200,
      body: { issuer, token_endpoint: `${issuer}oauth/token`, jwks_uri: `${issuer}.well-known/jwks.json` },
    };
  });

  const look = (options: Partial<IssuerChecksOptions & { timeoutMs: number }> = {}) => {
    const all = {
      issuer,
      clientId: 'venue-suite',
      clientSecret: 'canary-secret',
      audience: 'https://api.test/',
      scope: 'openid offline_access',
      clockToleranceSeconds: 5,
      timeoutMs: 5_000,
      nowMs: () => Date.now(),
      ...options,
    };
    return new IssuerChecks(new OpenidAuthorizationServer(all), all).look();
  };
  const faultOf = (detail: string, holdsBackNew = true) => ({
    detail: expect.stringContaining(detail),
    holdsBackNew,
  });

  it('is all, with one request for each question, none of which names a user', async () => {
    expect(await look({ realm: 'Users' })).toEqual({
      issuer: 'well',
      client: 'well',
      audience: 'well',
      realm: 'well',
      issuerClock: 'well',
    });
    expect(forms.map((form) => form.get('grant_type'))).toEqual([
      'refresh_token',
      'http://auth0.com/oauth/grant-type/password-realm',
    ]);
    for (const form of forms) {
      expect(form.get('client_secret')).toBe('canary-secret');
      expect([form.has('username'), form.has('password')]).toEqual([false, false]);
    }
    expect(forms[1]!.get('realm')).toBe('Users');
    expect(forms[1]!.get('audience')).toBe('https://api.test/');
  });

  it.each<[string, Answer]>([
    ["Auth0's words", { status: 401, body: { error: 'access_denied', error_description: 'Unauthorized' } }],
    ["the RFC's", { status: 401, body: { error: 'invalid_client' } }],
    ["the RFC's, as 400", { status: 400, body: { error: 'invalid_client' } }],
    [
      "the RFC's, with a challenge",
      { status: 401, body: { error: 'invalid_client' }, headers: { 'www-authenticate': 'Basic realm="x"' } },
    ],
  ])('is a wrong client secret, in %s, and then nothing else is asked', async (_title, answer) => {
    toRefresh = answer;
    const found = await look();
    expect(found).toMatchObject({ issuer: 'well', client: faultOf('AUTH0_CLIENT_SECRET') });
    expect(found).not.toHaveProperty('audience');
    expect(forms).toHaveLength(1);
    expect(JSON.stringify(found)).not.toContain('canary');
  });

  it('is no fault of a client that may not refresh', async () => {
    toRefresh = { status: 403, body: { error: 'unauthorized_client' } };
    expect(await look()).toMatchObject({ client: 'well', audience: 'well' });
  });

  it.each<[string, Answer, string, string]>([
    [
      'a grant that is not enabled',
      { status: 403, body: { error: 'unauthorized_client', error_description: 'Grant type not allowed' } },
      'client',
      'may not use the grant password',
    ],
    [
      'an API that is not there',
      {
        status: 403,
        body: { error: 'access_denied', error_description: 'Service not enabled within domain' },
      },
      'audience',
      'AUTH0_AUDIENCE "https://api.test/"',
    ],
    [
      'an API that is not for this client',
      {
        status: 403,
        body: { error: 'access_denied', error_description: 'You need to create a client-grant' },
      },
      'audience',
      'AUTH0_AUDIENCE "https://api.test/"',
    ],
  ])('is %s', async (_title, answer, check, detail) => {
    toLogIn = answer;
    const found: Partial<Record<string, Fault | 'well'>> = await look();
    expect(found[check]).toEqual(faultOf(detail));
    expect(Object.values(found).filter((finding) => finding !== 'well')).toHaveLength(1);
  });

  it.each(SETTING_ERRORS)(
    'is what a log-in would say, as with %s (%i, %s)',
    async (error, status, error_description, setting, check) => {
      toLogIn = { status, body: { error, error_description } };
      for (const realm of [undefined, 'Users']) {
        const found: Partial<Record<string, Fault | 'well'>> = await look({ realm });
        expect(found[check]).toMatchObject({ detail: expect.stringMatching(setting) });
        expect(Object.values(found).filter((finding) => finding !== 'well')).toHaveLength(1);
      }
    },
  );

  it.each(['the connection was not found', 'the connection was disabled', 'Unknown or invalid realm'])(
    'is a wrong connection: %s',
    async (error_description) => {
      toLogIn = { status: 400, body: { error: 'invalid_request', error_description } };
      expect(await look({ realm: 'Users' })).toMatchObject({
        client: 'well',
        realm: faultOf('AUTH0_REALM "Users"'),
      });
    },
  );

  it('is, as a guess, that there is no default directory', async () => {
    toLogIn = { status: 500, body: { error: 'server_error' } };
    expect(await look()).toMatchObject({ issuer: 'well', realm: faultOf('Default Directory', false) });
  });

  it.each([
    ['ahead', 60, /\d+ s ahead of ours, CLOCK_TOLERANCE_SECONDS is 5/],
    ['behind', -60, /\d+ s behind ours/],
  ])('is a clock that is %s', async (_title, seconds, detail) => {
    clockAheadSeconds = seconds;
    const { issuerClock } = await look();
    expect(issuerClock).toMatchObject({ detail: expect.stringMatching(detail), holdsBackNew: false });
  });

  it.each([4, 0, -4])('is no clock that is off by %i s, within the tolerance', async (seconds) => {
    clockAheadSeconds = seconds;
    expect(await look()).toMatchObject({ issuerClock: 'well' });
  });

  it.each(['', '7', '2026-03-01', 'soon'])(
    'is no clock that tells a date that is none: "%s"',
    async (date) => {
      toRefresh = { ...NO_SUCH_TOKEN, headers: { date } };
      toLogIn = { ...NO_USER, headers: { date } };
      const found = await look();
      expect(found).not.toHaveProperty('issuerClock');
      expect(found).toMatchObject({ client: 'well', audience: 'well' });
    },
  );

  it.each<[string, () => void, string]>([
    ['a path that is not there', () => (discovery = { status: 404, body: 'Not found' }), 'answered 404'],
    ['a page', () => (discovery = { status: 200, body: '<html>canary' }), 'answered 200'],
    [
      'the document of another issuer',
      () => (discovery = { status: 200, body: { issuer: 'https://other.test/' } }),
      'COMPARISON',
    ],
    [
      'a document that sends us elsewhere',
      () =>
        (discovery = {
          status: 200,
          body: { issuer, token_endpoint: 'https://evil.test/token', jwks_uri: `${issuer}jwks` },
        }),
      'another origin',
    ],
    [
      'a redirect',
      () => (discovery = { status: 302, body: '', headers: { location: 'https://other.test/' } }),
      'answered 302',
    ],
  ])('is an issuer that is none, for all there is at it is %s', async (_title, breakIt, detail) => {
    breakIt();
    const found = await look();
    expect(found).toEqual({ issuer: faultOf('AUTH0_ISSUER_URL') });
    expect(found).toEqual({ issuer: faultOf(detail) });
    expect(JSON.stringify(found)).not.toContain('canary');
    expect(forms).toEqual([]);
  });

  it.each<[string, () => void, string]>([
    ['does not find its keys', () => (discovery = { status: 503, body: '' }), 'answered 503'],
    ['lets no request in', () => (discovery = { status: 403, body: 'firewall' }), 'answered 403'],
    ['is broken', () => (toRefresh = { status: 500, body: { error: 'server_error' } }), 'answered 500'],
    ['breaks', () => (toLogIn = { status: 502, body: '<html>' }), 'answered 502'],
    ['hangs up', () => (toRefresh = 'reset'), 'UND_ERR_SOCKET'],
    ['hangs up later', () => (toLogIn = 'reset'), 'UND_ERR_SOCKET'],
    ['is behind a firewall', () => (toLogIn = { status: 403, body: '<html>' }), 'answered 403'],
  ])('is nothing while the server %s, and that passes', async (_title, breakIt, detail) => {
    breakIt();
    const { issuer: fault, ...others } = await look({ realm: 'Users' });
    expect(fault).toEqual(faultOf(detail, false));
    expect(Object.values(others).filter((finding) => finding !== 'well')).toEqual([]);
    expect(others).not.toHaveProperty('audience');
  });

  it('is nothing new while there is a rate limit', async () => {
    toRefresh = toLogIn = { status: 429, body: 'Too many requests' };
    const found = await look();
    expect(Object.values(found).filter((finding) => finding !== 'well')).toEqual([]);
    expect(found).not.toHaveProperty('client');
  });
});

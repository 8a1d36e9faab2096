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

/** With answers of Auth0, and of other servers. */
describe('the check of the settings without a log-in', () => {
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

  it('covers all of them, with one request for each question and without a user name', async () => {
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
    ["the RFC's words", { status: 401, body: { error: 'invalid_client' } }],
    ["the RFC's words, with 400", { status: 400, body: { error: 'invalid_client' } }],
    [
      "the RFC's words, with a challenge",
      { status: 401, body: { error: 'invalid_client' }, headers: { 'www-authenticate': 'Basic realm="x"' } },
    ],
  ])('finds a wrong client secret, in %s, and then asks nothing else', async (_title, answer) => {
    toRefresh = answer;
    const found = await look();
    expect(found).toMatchObject({ issuer: 'well', client: faultOf('AUTH0_CLIENT_SECRET') });
    expect(found).not.toHaveProperty('audience');
    expect(forms).toHaveLength(1);
    expect(JSON.stringify(found)).not.toContain('canary');
  });

  it('finds no fault in a client that may not refresh', async () => {
    toRefresh = { status: 403, body: { error: 'unauthorized_client' } };
    expect(await look()).toMatchObject({ client: 'well', audience: 'well' });
  });

  it.each<[string, Answer, string, string]>([
    [
      'a disabled grant',
      { status: 403, body: { error: 'unauthorized_client', error_description: 'Grant type not allowed' } },
      'client',
      'may not use the grant password',
    ],
    [
      'an unknown API',
      {
        status: 403,
        body: { error: 'access_denied', error_description: 'Service not enabled within domain' },
      },
      'audience',
      'AUTH0_AUDIENCE "https://api.test/"',
    ],
    [
      'an API that this client may not use',
      {
        status: 403,
        body: { error: 'access_denied', error_description: 'You need to create a client-grant' },
      },
      'audience',
      'AUTH0_AUDIENCE "https://api.test/"',
    ],
  ])('finds %s', async (_title, answer, check, detail) => {
    toLogIn = answer;
    const found: Partial<Record<string, Fault | 'well'>> = await look();
    expect(found[check]).toEqual(faultOf(detail));
    expect(Object.values(found).filter((finding) => finding !== 'well')).toHaveLength(1);
  });

  it.each(SETTING_ERRORS)(
    'finds what a log-in would find: %s (%i, %s)',
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
    'finds a wrong connection: %s',
    async (error_description) => {
      toLogIn = { status: 400, body: { error: 'invalid_request', error_description } };
      expect(await look({ realm: 'Users' })).toMatchObject({
        client: 'well',
        realm: faultOf('AUTH0_REALM "Users"'),
      });
    },
  );

  it('guesses that the tenant has no default directory', async () => {
    toLogIn = { status: 500, body: { error: 'server_error' } };
    expect(await look()).toMatchObject({ issuer: 'well', realm: faultOf('Default Directory', false) });
  });

  it.each([
    ['ahead', 60, /\d+ s ahead of ours, CLOCK_TOLERANCE_SECONDS is 5/],
    ['behind', -60, /\d+ s behind ours/],
  ])('finds a clock that is %s', async (_title, seconds, detail) => {
    clockAheadSeconds = seconds;
    const { issuerClock } = await look();
    expect(issuerClock).toMatchObject({ detail: expect.stringMatching(detail), holdsBackNew: false });
  });

  it.each([4, 0, -4])('accepts a clock that differs by %i s, within the tolerance', async (seconds) => {
    clockAheadSeconds = seconds;
    expect(await look()).toMatchObject({ issuerClock: 'well' });
  });

  it.each(['', '7', '2026-03-01', 'soon'])(
    'says nothing about a clock without a valid date: "%s"',
    async (date) => {
      toRefresh = { ...NO_SUCH_TOKEN, headers: { date } };
      toLogIn = { ...NO_USER, headers: { date } };
      const found = await look();
      expect(found).not.toHaveProperty('issuerClock');
      expect(found).toMatchObject({ client: 'well', audience: 'well' });
    },
  );

  it.each<[string, () => void, string]>([
    ['an unknown path', () => (discovery = { status: 404, body: 'Not found' }), 'answered 404'],
    ['a page', () => (discovery = { status: 200, body: '<html>canary' }), 'answered 200'],
    [
      'the document of another issuer',
      () => (discovery = { status: 200, body: { issuer: 'https://other.test/' } }),
      'COMPARISON',
    ],
    [
      'a document with an endpoint on another origin',
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
  ])('finds that a server is no issuer: its answer is %s', async (_title, breakIt, detail) => {
    breakIt();
    const found = await look();
    expect(found).toEqual({ issuer: faultOf('AUTH0_ISSUER_URL') });
    expect(found).toEqual({ issuer: faultOf(detail) });
    expect(JSON.stringify(found)).not.toContain('canary');
    expect(forms).toEqual([]);
  });

  it.each<[string, () => void, string]>([
    ['is overloaded', () => (discovery = { status: 503, body: '' }), 'answered 503'],
    ['lets no request pass', () => (discovery = { status: 403, body: 'firewall' }), 'answered 403'],
    ['is broken', () => (toRefresh = { status: 500, body: { error: 'server_error' } }), 'answered 500'],
    ['breaks', () => (toLogIn = { status: 502, body: '<html>' }), 'answered 502'],
    ['hangs up', () => (toRefresh = 'reset'), 'UND_ERR_SOCKET'],
    ['hangs up later', () => (toLogIn = 'reset'), 'UND_ERR_SOCKET'],
    ['is behind a firewall', () => (toLogIn = { status: 403, body: '<html>' }), 'answered 403'],
  ])(
    'finds no fault of the settings while the server %s, only an outage',
    async (_title, breakIt, detail) => {
      breakIt();
      const { issuer: fault, ...others } = await look({ realm: 'Users' });
      expect(fault).toEqual(faultOf(detail, false));
      expect(Object.values(others).filter((finding) => finding !== 'well')).toEqual([]);
      expect(others).not.toHaveProperty('audience');
    },
  );

  it('finds nothing new during a rate limit', async () => {
    toRefresh = toLogIn = { status: 429, body: 'Too many requests' };
    const found = await look();
    expect(Object.values(found).filter((finding) => finding !== 'well')).toEqual([]);
    expect(found).not.toHaveProperty('client');
  });
});

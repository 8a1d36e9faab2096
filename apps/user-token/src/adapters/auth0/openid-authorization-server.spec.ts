import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { createLogger } from '@app/ops';
import { SETTING_ERRORS } from '@app/test-support/suite/setting-errors';
import { UpstreamUnavailable } from '../../core/authorization-server.js';
import type { Log } from '../../core/log.js';
import { OpenidAuthorizationServer, type OpenidOptions } from './openid-authorization-server.js';

interface Answer {
  readonly status: number;
  readonly type?: string;
  readonly body: string | object;
  readonly headers?: Record<string, string>;
}

const PASSWORD = 'canary-password-1';
const CREDENTIALS = { username: 'ada@example.com', password: PASSWORD };
const GRANT = {
  access_token: 'a.b.c',
  token_type: 'Bearer',
  expires_in: 86400,
  refresh_token: 'canary-refresh',
};

/** With a server that speaks Auth0's dialect as recorded (see the table of its errors), or breaks it. */
describe('OpenidAuthorizationServer', () => {
  let server: Server;
  let issuer: string;
  let answer: Answer | 'reset' | 'silence';
  let discovery: Record<string, unknown>;
  let seen: { request: IncomingMessage; form: URLSearchParams }[];

  beforeAll(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (request.url === '/.well-known/openid-configuration') {
          response.setHeader('content-type', 'application/json').end(JSON.stringify(discovery));
          return;
        }
        seen.push({ request, form: new URLSearchParams(Buffer.concat(chunks).toString()) });
        if (answer === 'reset') return void request.socket.destroy();
        if (answer === 'silence') return;
        const { status, type = 'application/json', body, headers = {} } = answer;
        response.writeHead(status, { 'content-type': type, ...headers });
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
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
    seen = [];
    answer = { status: 200, body: GRANT };
    discovery = {
      issuer,
      token_endpoint: `${issuer}oauth/token`,
      userinfo_endpoint: `${issuer}userinfo`,
      revocation_endpoint: `${issuer}oauth/revoke`,
      jwks_uri: `${issuer}.well-known/jwks.json`,
    };
  });

  const upstream = (options: Partial<OpenidOptions> = {}, log?: Log) => {
    const defaults = {
      issuer,
      clientId: 'client',
      clientSecret: 'canary-client-secret',
      audience: 'https://api.test/',
      scope: 'openid offline_access read:venues',
      timeoutMs: 5_000,
    };
    return new OpenidAuthorizationServer({ ...defaults, ...options }, log);
  };

  it('sends audience, scope and the address of the end user', async () => {
    const granted = await upstream().grantPassword({ ...CREDENTIALS, clientAddress: '203.0.113.7' });
    expect(granted).toEqual({
      granted: true,
      accessToken: 'a.b.c',
      refreshToken: 'canary-refresh',
      expiresInSeconds: 86400,
      scope: 'openid offline_access read:venues',
    });
    expect(Object.fromEntries(seen[0]!.form)).toEqual({
      grant_type: 'password',
      ...CREDENTIALS,
      audience: 'https://api.test/',
      scope: 'openid offline_access read:venues',
      client_id: 'client',
      client_secret: 'canary-client-secret',
    });
    expect(seen[0]!.request.headers['auth0-forwarded-for']).toBe('203.0.113.7');
  });

  it.each([
    ['with spaces and other scripts', '  spaces & ümläute € 🙂  '],
    ['with the form of parameters', 'x&grant_type=client_credentials&audience=https://t/api/v2/'],
    ['with control characters', 'a\r\nb\0c%00+'],
  ])('sends a password %s unchanged', async (_title, password) => {
    await upstream().grantPassword({ ...CREDENTIALS, password });
    expect(seen[0]!.form.getAll('password')).toEqual([password]);
    expect(seen[0]!.form.getAll('grant_type')).toEqual(['password']);
  });

  it.each([
    ['the one of the request', { realm: 'other' }, 'other'],
    ['the configured one', {}, 'configured'],
  ])('logs in with %s as connection', async (_title, more, realm) => {
    await upstream({ realm: 'configured' }).grantPassword({ ...CREDENTIALS, ...more });
    expect(seen[0]!.form.get('grant_type')).toBe('http://auth0.com/oauth/grant-type/password-realm');
    expect(seen[0]!.form.get('realm')).toBe(realm);
  });

  it.each([
    ['a wrong password', 403, 'invalid_grant', 'invalid_grant'],
    ['a blocked user', 403, 'unauthorized', 'invalid_grant'],
    ['a blocked user of an older tenant', 401, 'unauthorized', 'invalid_grant'],
    ['too many attempts', 429, 'too_many_attempts', 'too_many_attempts'],
    ['a leaked password', 401, 'password_leaked', 'password_leaked'],
    ['a second factor', 403, 'mfa_required', 'mfa_required'],
    ['bot detection', 401, 'requires_verification', 'requires_verification'],
  ])('takes %s for a refusal', async (_title, status, error, refusal) => {
    answer = { status, body: { error, error_description: 'whatever', mfa_token: 'canary-mfa' } };
    const refused = await upstream().grantPassword(CREDENTIALS);
    const ofMfa = error === 'mfa_required' ? { mfaToken: 'canary-mfa', passwordWas: 'right' } : {};
    expect(refused).toEqual({ granted: false, error: refusal, ...ofMfa });
  });

  it.each<[string, Record<string, string>, number | undefined]>([
    ['Retry-After', { 'retry-after': '7' }, 7],
    ['x-ratelimit-reset', { 'x-ratelimit-reset': '8' }, 8],
    ['nothing', {}, undefined],
  ])('passes on the wait after too many attempts: %s', async (_title, headers, retryAfterSeconds) => {
    answer = { status: 429, body: { error: 'too_many_attempts' }, headers };
    expect(await upstream().grantPassword(CREDENTIALS)).toEqual({
      granted: false,
      error: 'too_many_attempts',
      retryAfterSeconds,
    });
  });

  it.each<[string, Answer | 'reset' | 'silence']>([
    [
      'a wrong client secret',
      { status: 401, body: { error: 'access_denied', error_description: 'Unauthorized' } },
    ],
    ['a disabled grant', { status: 403, body: { error: 'unauthorized_client' } }],
    ['an unknown grant', { status: 400, body: { error: 'unsupported_grant_type' } }],
    ['an unknown scope', { status: 400, body: { error: 'invalid_scope' } }],
    ['an unknown client', { status: 400, body: { error: 'invalid_client' } }],
    ['an unknown path', { status: 404, type: 'text/html', body: '<html>canary</html>' }],
    ['a form that it does not read', { status: 415, body: { error: 'invalid_request' } }],
    ['a firewall', { status: 403, type: 'text/html', body: '<html>canary</html>' }],
    ['a wrong password that calls itself a failure', { status: 500, body: { error: 'invalid_grant' } }],
    ['a denial that comes with the status of an outage', { status: 503, body: { error: 'access_denied' } }],
    ['a denial that is none of JSON', { status: 500, type: 'text/html', body: '{"error":"access_denied"}' }],
    ['a code that is not known, as a failure', { status: 500, body: { error: 'canary' } }],
    ['a code that is not known, as a rate limit', { status: 429, body: { error: 'canary' } }],
    ['a code that is no text', { status: 403, body: { error: { canary: 1 } } }],
    ['no default directory', { status: 500, body: { error: 'server_error', error_description: 'canary' } }],
    ['a rate limit in text', { status: 429, type: 'text/plain', body: 'Too many requests. canary' }],
    ['an outage in HTML', { status: 503, type: 'text/html', body: '<html>canary</html>' }],
    ['HTML that calls itself fine', { status: 200, type: 'text/html', body: '<html>canary</html>' }],
    ['JSON that ends early', { status: 200, body: '{"access_token":"canary' }],
    ['an empty answer', { status: 200, body: {} }],
    ['a list', { status: 200, body: [] }],
    ['a token type that is not Bearer', { status: 200, body: { ...GRANT, token_type: 'mac' } }],
    ['a redirect', { status: 302, body: '', headers: { location: 'https://evil.example/' } }],
    ['a reset connection', 'reset'],
    ['no answer', 'silence'],
  ])('takes %s for an outage, and its error holds no sent or received secret', async (_title, next) => {
    answer = next;
    const asking = upstream(next === 'silence' ? { timeoutMs: 300 } : {}).grantPassword(CREDENTIALS);
    await expect(asking).rejects.toThrow(UpstreamUnavailable);
    const error: unknown = await asking.catch((reason: unknown) => reason);
    expect(inspect(error, { depth: 10, showHidden: true }).replaceAll('canary.test', '')).not.toMatch(
      /canary-(password|client|refresh)|access_token/,
    );
  });

  describe('a denial', () => {
    const denial = (status: number, text?: unknown): Answer => ({
      status,
      body: { error: 'access_denied', ...(text !== undefined && { error_description: text }) },
    });
    const denied = { granted: false, error: 'access_denied', passwordWas: 'untold' };
    const logged = (lines: string[]) =>
      createLogger({
        service: 'test',
        environment: 'test',
        destination: { write: (line) => void lines.push(line) },
      });

    it.each([400, 401, 403, 500])(
      'with %i leaves open whether the password was right, and hides the reason',
      async (status) => {
        const lines: string[] = [];
        for (const text of [
          'Only on weekdays',
          'Client is on holiday',
          'Not unauthorized',
          '',
          undefined,
          7,
        ]) {
          answer = denial(status, text);
          expect(await upstream({}, logged(lines)).grantPassword(CREDENTIALS)).toEqual(denied);
          expect(await upstream().grantRefresh('canary-refresh')).toEqual(denied);
        }
        expect(lines[0]).toContain('Only on weekdays');
        expect(lines.join('')).not.toContain(PASSWORD);
      },
    );

    it('counts with a challenge as well', async () => {
      answer = { ...denial(401, 'Only on weekdays'), headers: { 'www-authenticate': 'Basic realm="x"' } };
      expect(await upstream().grantPassword(CREDENTIALS)).toEqual(denied);
    });

    it.each([
      ['unchanged', 'Nur an Werktagen: „geschlossen“ 🙂', 'Nur an Werktagen: „geschlossen“ 🙂'],
      ['in one line', ' a\r\nSet-Cookie: x\0\u2028\u202e ', 'a Set-Cookie: x'],
      ['without halves of characters', 'a\ud800b', 'a b'],
      ['not at all if it is empty', ' \n ', undefined],
      ['in 256 characters', 'x'.repeat(5_000), 'x'.repeat(256)],
      ['in whole characters', `x${'🙂'.repeat(200)}`, `x${'🙂'.repeat(127)}`],
    ])('passes on its reason if the setting allows it, %s', async (_title, text, description) => {
      answer = denial(403, text);
      const refused = await upstream({ denialDescriptions: 'pass' }).grantPassword(CREDENTIALS);
      expect(refused).toEqual({ ...denied, ...(description !== undefined && { description }) });
    });

    it.each(SETTING_ERRORS)(
      'because of our settings is an outage that names them: %s (%i, %s)',
      async (error, status, text, setting) => {
        answer = { status, body: { error, error_description: text } };
        for (const asking of [upstream().grantPassword(CREDENTIALS), upstream().grantRefresh('x')]) {
          await expect(asking).rejects.toThrow(UpstreamUnavailable);
          await expect(asking).rejects.toThrow(setting);
        }
      },
    );

    it.each<[number, string]>([
      [400, 'consent_required'],
      [401, 'password_expired'],
      [403, 'invalid_user_password'],
      [403, '__proto__'],
      [403, 'x'.repeat(100)],
    ])('by an unknown code (%i %s) is a refusal, perhaps of the password', async (status, error) => {
      const lines: string[] = [];
      answer = { status, body: { error, error_description: PASSWORD } };
      const one = upstream({ denialDescriptions: 'pass' }, logged(lines));
      expect(await one.grantPassword(CREDENTIALS)).toEqual({ granted: false, error: 'access_denied' });
      expect(lines).toEqual([expect.stringContaining(error.slice(0, 64))]);
      expect(lines[0]!.length).toBeLessThan(500);
      expect(lines[0]).not.toContain(PASSWORD);
      // A refresh guesses no password, and an unknown code must not end its session.
      await expect(one.grantRefresh('x')).rejects.toThrow(UpstreamUnavailable);
    });
  });

  it.each<[string, Answer]>([
    [
      'malformed',
      { status: 400, body: { error: 'invalid_request', error_description: 'canary-password-1?' } },
    ],
    ['malformed, in HTML', { status: 400, type: 'text/html', body: '<html>400</html>' }],
    ['too large', { status: 413, body: { error: 'invalid_request' } }],
    ['too large, as another code', { status: 413, body: { error: 'payload_too_large' } }],
    ['too large, in HTML', { status: 413, type: 'text/html', body: '<html>413</html>' }],
    ['too large, in JSON that is no error', { status: 413, body: { statusCode: 413 } }],
    ['too large, in JSON that is none', { status: 413, body: '{' }],
    ['too long', { status: 414, type: 'text/plain', body: '' }],
    ['unprocessable', { status: 422, body: { message: 'no' } }],
    ['too large for a header', { status: 431, type: 'text/plain', body: '' }],
  ])(
    'takes "%s" for a refusal of the input of a log-in, and for an outage at a refresh',
    async (_title, next) => {
      answer = next;
      const lines: string[] = [];
      const log = createLogger({
        service: 'test',
        environment: 'test',
        destination: { write: (line) => void lines.push(line) },
      });
      const one = upstream({}, log);
      const refused = { granted: false, error: 'invalid_request' };
      expect(await one.grantPassword(CREDENTIALS)).toEqual(refused);
      expect(lines).toEqual([expect.stringContaining(`"status":${next.status}`)]);
      for (let i = 0; i < 20; i += 1) expect(await one.grantPassword(CREDENTIALS)).toEqual(refused);
      expect(lines).toHaveLength(10);
      expect(lines.join('')).not.toContain('canary');
      await expect(one.grantRefresh('canary-refresh')).rejects.toThrow(UpstreamUnavailable);
    },
  );

  it('passes on Retry-After, up to 300 s', async () => {
    answer = { status: 429, type: 'text/plain', body: '', headers: { 'retry-after': '17' } };
    await expect(upstream().grantPassword(CREDENTIALS)).rejects.toMatchObject({ retryAfterSeconds: 17 });
    answer = { status: 429, type: 'text/plain', body: '', headers: { 'retry-after': '99999' } };
    await expect(upstream().grantPassword(CREDENTIALS)).rejects.toMatchObject({ retryAfterSeconds: 300 });
  });

  it.each<[string, Record<string, string>]>([
    ['Retry-After as a date', { 'retry-after': new Date(Date.now() + 120_000).toUTCString() }],
    ['x-ratelimit-reset alone', { 'x-ratelimit-reset': String(Math.ceil(Date.now() / 1000) + 120) }],
  ])('passes on the end of a rate limit, for each kind of request: %s', async (_title, headers) => {
    answer = { status: 429, type: 'text/plain', body: 'Too many requests.', headers };
    const one = upstream();
    const questions = [
      () => one.grantPassword(CREDENTIALS),
      () => one.grantRefresh('canary-refresh'),
      () => one.revoke('canary-refresh'),
      () => one.userInfo('opaque-token-0001'),
    ];
    for (const ask of questions) {
      const error: unknown = await ask().catch((reason: unknown) => reason);
      expect((error as UpstreamUnavailable).retryAfterSeconds).toBeGreaterThan(60);
      expect((error as UpstreamUnavailable).retryAfterSeconds).toBeLessThanOrEqual(122);
    }
  });

  it.each<[string, Record<string, unknown>]>([
    ['another issuer', { issuer: 'https://evil.example/' }],
    ['a token endpoint elsewhere', { token_endpoint: 'https://evil.example/token' }],
    ['keys elsewhere', { jwks_uri: 'https://evil.example/jwks' }],
  ])('does not follow metadata with %s', async (_title, changes) => {
    Object.assign(discovery, changes);
    await expect(upstream().grantPassword(CREDENTIALS)).rejects.toThrow(UpstreamUnavailable);
    expect(seen).toEqual([]);
  });

  it('discovers again after a failure, and only then', async () => {
    const one = upstream();
    const good = discovery;
    discovery = {};
    await expect(one.grantPassword(CREDENTIALS)).rejects.toThrow(UpstreamUnavailable);
    discovery = good;
    expect(await one.grantPassword(CREDENTIALS)).toMatchObject({ granted: true });
    discovery = {};
    expect(await one.grantPassword(CREDENTIALS)).toMatchObject({ granted: true });
  });

  describe('userinfo', () => {
    it('gives the subject of an opaque token', async () => {
      answer = { status: 200, body: { sub: 'auth0|ada', email: 'ada@example.com' } };
      expect(await upstream().userInfo('opaque-token-0001')).toEqual({
        active: true,
        subject: 'auth0|ada',
        claims: { email: 'ada@example.com' },
      });
    });

    it("takes Auth0's plain 401 for a refusal", async () => {
      const challenge =
        'Bearer realm="Users", error="invalid_token", error_description="The token has expired"';
      answer = {
        status: 401,
        type: 'text/plain',
        body: 'Unauthorized',
        headers: { 'www-authenticate': challenge },
      };
      expect(await upstream().userInfo('opaque-token-0001')).toEqual({ active: false });
    });

    it.each<[string, Answer | 'reset']>([
      ['a rate limit', { status: 429, type: 'text/plain', body: 'slow down' }],
      ['an outage', { status: 500, body: {} }],
      ['an answer without a subject', { status: 200, body: { email: 'x' } }],
      ['HTML', { status: 200, type: 'text/html', body: '<html>' }],
      ['a reset connection', 'reset'],
    ])('takes %s for an outage, not for a refusal', async (_title, next) => {
      answer = next;
      await expect(upstream().userInfo('opaque-token-0001')).rejects.toThrow(UpstreamUnavailable);
    });
  });

  it('revokes, and rejects if that fails', async () => {
    answer = { status: 200, type: 'text/plain', body: '' };
    await upstream().revoke('canary-refresh');
    expect(seen[0]!.form.get('token')).toBe('canary-refresh');
    answer = { status: 503, type: 'text/html', body: '' };
    await expect(upstream().revoke('canary-refresh')).rejects.toThrow(UpstreamUnavailable);
  });
});

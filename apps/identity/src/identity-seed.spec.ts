/** Options of a seed file, and hostile requests: over real HTTP, with its own seed. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@app/ops';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { answersIn, rawExchange } from '@app/test-support/network/raw-socket';
import { hashPassword } from './core/password-hash.js';
import { CredentialCheck, readIdentityConfig, startIdentity, UserDirectory, type User } from './index.js';
import type { IdentityEnvironment, RunningIdentity } from './index.js';

const PASSWORD = 'café au lait +&= %41 ';
const APP = { client_id: 'app', client_secret: 'a-client-secret-1' };
const API = 'https://api.example/';

const seed = (passwordHash: string) => `
default_directory: Users
connections: [{ name: Users }]
apis:
  - { identifier: '${API}', name: api, scopes: [read], allow_offline_access: true, token_dialect: rfc9068_profile }
  - { identifier: 'https://online.example/', name: online, scopes: [read] }
clients:
  - client_id: app
    client_secret: a-client-secret-1
    grant_types: [password, refresh_token]
    refresh_token_leeway_seconds: 2
  - client_id: proxy
    client_secret: a-client-secret-2
    grant_types: [password]
    is_token_endpoint_ip_header_trusted: true
  - client_id: machine
    client_secret: a-client-secret-3
    grant_types: [client_credentials]
users:
  - user_id: auth0|ada
    email: Ada@example.com
    password: ${passwordHash}
    permissions: { '${API}': [read], 'https://online.example/': [read] }
`;

describe('identity with its own seed', () => {
  let folder: string;
  let seedPath: string;
  let identity: RunningIdentity;
  const lines: string[] = [];

  const start = (environment?: Partial<IdentityEnvironment>) =>
    startIdentity(
      readIdentityConfig({ ENVIRONMENT: 'local', PORT: '0', OPS_PORT: '0', IDENTITY_SEED: seedPath }),
      {
        logger: createLogger({
          service: 'identity',
          environment: 'local',
          level: 'trace',
          destination: { write: (line) => void lines.push(line) },
        }),
        ...environment,
      },
    );

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'identity-'));
    seedPath = join(folder, 'seed.yaml');
    await writeFile(seedPath, seed(await hashPassword(PASSWORD)));
    identity = await start();
  });

  afterAll(async () => {
    await identity.stop();
    await rm(folder, { recursive: true });
  });

  const token = async (parameters: Record<string, string>, headers = {}, to = identity) => {
    const body = new URLSearchParams({ ...APP, ...parameters });
    const response = await fetch(`${to.issuer}oauth/token`, { method: 'POST', headers, body });
    return { status: response.status, body: (await response.json()) as any };
  };
  const login = (parameters: Record<string, string> = {}, headers = {}, to = identity) =>
    token(
      { grant_type: 'password', username: 'ada@example.com', password: PASSWORD, ...parameters },
      headers,
      to,
    );
  const refresh = (refreshToken: string) =>
    token({ grant_type: 'refresh_token', refresh_token: refreshToken });
  const userinfo = async (authorization: string, method = 'GET') => {
    const response = await fetch(`${identity.issuer}userinfo`, { method, headers: { authorization } });
    return { status: response.status, text: await response.text(), headers: response.headers };
  };

  it.each([
    ['cut at the end', PASSWORD.trimEnd()],
    ['decomposed', PASSWORD.normalize('NFD')],
    ['decoded twice', PASSWORD.replace('%41', 'A')],
  ])('takes the password byte for byte, not %s', async (_, password) => {
    expect((await login()).status).toBe(200);
    expect((await login({ password })).status).toBe(403);
  });

  it('signs in the RFC 9068 dialect for an API that asks for it', async () => {
    const { body } = await login({ audience: API, scope: 'read' });
    expect(decodeProtectedHeader(body.access_token)).toMatchObject({ alg: 'RS256', typ: 'at+jwt' });
    const claims = decodeJwt(body.access_token);
    expect(claims).toMatchObject({
      iss: identity.issuer,
      aud: API,
      client_id: 'app',
      jti: expect.any(String),
    });
    expect(claims).not.toHaveProperty('azp');
  });

  it('issues no refresh token for an API that does not allow offline access', async () => {
    const { body } = await login({ audience: 'https://online.example/', scope: 'read offline_access' });
    expect(body).toMatchObject({ scope: 'read' });
    expect(body).not.toHaveProperty('refresh_token');
  });

  it('refuses a grant type the client does not have, as Auth0 does', async () => {
    const proxy = { client_id: 'proxy', client_secret: 'a-client-secret-2' };
    expect(await token({ ...proxy, grant_type: 'refresh_token', refresh_token: 'x' })).toEqual({
      status: 403,
      body: {
        error: 'unauthorized_client',
        error_description: "Grant type 'refresh_token' not allowed for the client.",
        error_uri: 'https://auth0.com/docs/clients/client-grant-types',
      },
    });
  });

  it('refuses client_credentials without a client grant', async () => {
    const machine = { client_id: 'machine', client_secret: 'a-client-secret-3' };
    expect(await token({ ...machine, grant_type: 'client_credentials', audience: API })).toMatchObject({
      status: 403,
      body: { error: 'access_denied', error_description: expect.stringContaining('client-grant') },
    });
    expect(await token({ ...machine, grant_type: 'client_credentials' })).toMatchObject({
      status: 403,
      body: { error: 'access_denied' },
    });
  });

  describe('leeway', () => {
    const first = async () => (await login({ scope: 'openid offline_access' })).body.refresh_token as string;

    it('allows the last rotated token once more', async () => {
      const old = await first();
      const next = (await refresh(old)).body.refresh_token as string;
      expect((await refresh(old)).status).toBe(200);
      expect((await refresh(next)).status).toBe(200);
    });

    it('ends the family after an older one', async () => {
      const old = await first();
      const second = (await refresh(old)).body.refresh_token as string;
      const third = (await refresh(second)).body.refresh_token as string;
      expect((await refresh(old)).status).toBe(403);
      expect((await refresh(third)).status).toBe(403);
    });

    it('ends', async () => {
      const old = await first();
      expect((await refresh(old)).status).toBe(200);
      await delay(2_100);
      expect((await refresh(old)).status).toBe(403);
    });
  });

  describe('/userinfo', () => {
    it('accepts a JWT issued with openid, by GET and POST', async () => {
      const { body } = await login({ audience: API, scope: 'openid email' });
      for (const method of ['GET', 'POST']) {
        const answer = await userinfo(`Bearer ${body.access_token}`, method);
        expect(JSON.parse(answer.text)).toEqual({
          sub: 'auth0|ada',
          email: 'Ada@example.com',
          email_verified: false,
        });
      }
    });

    it('refuses a JWT for only an API, an ID token and a tampered one', async () => {
      const forApi = (await login({ audience: API, scope: 'read' })).body;
      const withId = (await login({ audience: API, scope: 'openid' })).body;
      const [header, payload, signature] = (withId.access_token as string).split('.') as [
        string,
        string,
        string,
      ];
      const forged = Buffer.from(JSON.stringify({ ...decodeJwt(withId.access_token), sub: 'auth0|eve' }));
      for (const jwt of [
        forApi.access_token,
        withId.id_token,
        `${header}.${forged.toString('base64url')}.${signature}`,
        `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`,
      ]) {
        const answer = await userinfo(`Bearer ${jwt}`);
        expect(answer).toMatchObject({ status: 401, text: 'Unauthorized' });
        expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
      }
    });

    it('refuses an opaque token without openid, and a request without a token', async () => {
      const { body } = await login({ scope: 'email' });
      expect((await userinfo(`Bearer ${body.access_token}`)).status).toBe(401);
      expect((await userinfo('Basic YTpi')).headers.get('www-authenticate')).toBe('Bearer realm="Users"');
    });
  });

  it("logs the end user's address from a trusted client, and from no other client", async () => {
    const forwarded = { 'auth0-forwarded-for': '203.0.113.7' };
    const proxy = { client_id: 'proxy', client_secret: 'a-client-secret-2' };
    lines.length = 0;
    await login(proxy, forwarded);
    await login(proxy, { 'auth0-forwarded-for': 'nonsense, 203.0.113.7' });
    await login({ password: 'wrong' }, { ...forwarded, 'x-forwarded-for': '203.0.113.8' });
    const attempts = lines.map((line) => JSON.parse(line)).filter(({ clientId }) => clientId !== undefined);
    expect(attempts.map(({ address }) => address)).toEqual([
      '203.0.113.7',
      expect.stringMatching(/127\.0\.0\.1|::1/),
      expect.stringMatching(/127\.0\.0\.1|::1/),
    ]);
    expect(attempts.map(({ userId }) => userId)).toEqual(['auth0|ada', 'auth0|ada', undefined]);
    expect(lines.join()).not.toContain(PASSWORD.slice(0, 6));
  });

  const FORM = 'application/x-www-form-urlencoded';

  it.each<[string, string, string | Buffer, number]>([
    ['broken JSON', 'application/json', '{"password":hunter2}', 400],
    ['another media type', 'text/xml', '<password>hunter2</password>', 415],
    [
      'a body that is too large',
      'application/json',
      JSON.stringify({ password: 'hunter2'.repeat(9_999) }),
      413,
    ],
    ['a list', 'application/json', '["hunter2"]', 400],
    ['JSON in latin1', 'application/json', Buffer.from('{"password":"hunter2\xe4"}', 'latin1'), 400],
    [
      'half a surrogate pair',
      'application/json',
      '{"grant_type":"password","password":"hunter2\\ud800"}',
      400,
    ],
    ['a form in latin1', FORM, Buffer.from('grant_type=password&password=hunter2\xe4', 'latin1'), 400],
    ['a form that is latin1 once decoded', FORM, 'grant_type=password&password=hunter2%E4', 400],
    ['a key that would change prototypes', 'application/json', '{"__proto__":{"password":"hunter2"}}', 400],
  ])('refuses %s as an OAuth error that does not quote it', async (_, type, body, status) => {
    lines.length = 0;
    const headers = { 'content-type': type };
    const response = await fetch(`${identity.issuer}oauth/token`, { method: 'POST', headers, body });
    const text = await response.text();
    expect(response.status).toBe(status);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    expect(JSON.parse(text)).toMatchObject({
      error: 'invalid_request',
      error_description: expect.any(String),
    });
    expect(text + lines.join()).not.toContain('hunter2');
  });

  it.each([
    ['a malformed path', 'GET /%ZZcanary HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400],
    [
      'a malformed path below a route',
      'POST /oauth/token/%ZZcanary HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['no Host', 'POST /oauth/token HTTP/1.1\r\n\r\n', 400],
    ['CONNECT', 'CONNECT canary:443 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    ['no HTTP', 'canary\r\n\r\n', 400],
  ])('refuses %s as an OAuth error', async (_, raw, status) => {
    const answers = answersIn(await rawExchange(identity.port, raw));
    expect(answers).toMatchObject([
      {
        status,
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
          'x-request-id': expect.any(String),
        },
      },
    ]);
    expect(JSON.parse(answers[0]!.body)).toEqual({
      error: 'invalid_request',
      error_description: expect.not.stringContaining('canary'),
    });
  });

  it.each([
    ['a path', '/canary?canary', 'GET'],
    ['a method', '/oauth/token?canary', 'DELETE'],
    ['a verb of WebDAV', '/canary', 'PROPFIND'],
  ])('repeats nothing of %s that it does not know', async (_, path, method) => {
    const raw = `${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const [answer] = answersIn(await rawExchange(identity.port, raw));
    expect(answer).toMatchObject({
      status: 404,
      headers: { 'content-type': 'application/json; charset=utf-8' },
    });
    expect(JSON.parse(answer!.body)).toEqual({
      error: expect.any(String),
      error_description: 'There is nothing here.',
    });
  });

  it('gives every answer the id of its request', async () => {
    for (const path of ['.well-known/jwks.json', 'oauth/token', 'userinfo']) {
      const method = path === 'oauth/token' ? 'POST' : 'GET';
      const body = method === 'POST' ? new URLSearchParams({ ...APP, grant_type: 'password' }) : null;
      const response = await fetch(`${identity.issuer}${path}`, {
        method,
        body,
        headers: { 'x-request-id': 'r-1' },
      });
      expect(response.headers.get('x-request-id')).toBe('r-1');
    }
  });

  it.each([
    ['Host', '/.well-known/openid-configuration', { host: 'evil.example' }],
    ['X-Forwarded-Host', '/.well-known/openid-configuration', { 'x-forwarded-host': 'evil.example' }],
    ['Forwarded', '/.well-known/openid-configuration', { forwarded: 'host=evil.example;proto=https' }],
    ['an absolute request target', 'http://evil.example/.well-known/openid-configuration', {}],
  ])('lets %s change nothing in the metadata', async (_, path, headers) => {
    const { status, text } = await rawGet(path, headers);
    expect(text).not.toContain('evil');
    if (status === 200) expect(JSON.parse(text)).toMatchObject({ issuer: identity.issuer });
  });

  function rawGet(path: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const call = request({ host: 'localhost', port: identity.port, path, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      call.on('error', reject).end();
    });
  }

  describe('under too much load', () => {
    const busy = { error: 'temporarily_unavailable', error_description: expect.any(String) };
    const scope = 'read offline_access';
    const told = () => lines.filter((line) => line.includes('turned away'));
    let other: RunningIdentity;

    afterEach(async () => {
      await other.stop();
    });

    it('refuses log-ins and keeps every session', async () => {
      other = await start({ memory: { maxEntries: 20 } });
      lines.length = 0;
      const tokens: string[] = [];
      // Two entries for each, a grant and a refresh token; the last tenth is for refreshes.
      for (let i = 0; i < 9; i += 1) {
        const { status, body } = await login({ audience: API, scope }, {}, other);
        expect(status).toBe(200);
        tokens.push(body.refresh_token);
      }
      for (let i = 0; i < 15; i += 1) {
        expect(await login({ audience: API, scope }, {}, other)).toEqual({ status: 503, body: busy });
      }
      expect(told()).toHaveLength(10);
      expect((await login({ audience: API, scope: 'read' }, {}, other)).status).toBe(200);

      const refreshAt = (refresh_token: string) =>
        token({ grant_type: 'refresh_token', refresh_token }, {}, other);
      for (const [i, value] of tokens.entries()) {
        const { status, body } = await refreshAt(value);
        // Each refresh adds one entry, to detect reuse; without room it changes nothing.
        expect({ i, status }).toEqual({ i, status: i === 0 ? 200 : 503 });
        if (status === 503) expect(body).toEqual(busy);
        else tokens[i] = body.refresh_token;
      }
      const revoked = new URLSearchParams({ ...APP, token: tokens[0]! });
      expect((await fetch(`${other.issuer}oauth/revoke`, { method: 'POST', body: revoked })).status).toBe(
        200,
      );
      for (const value of tokens.slice(1, 3)) expect((await refreshAt(value)).status).toBe(200);
    });

    it('says when to try again', async () => {
      other = await start({ memory: { maxEntries: 1 } });
      const body = new URLSearchParams({
        ...APP,
        grant_type: 'password',
        username: 'ada@example.com',
        password: PASSWORD,
      });
      const response = await fetch(`${other.issuer}oauth/token`, { method: 'POST', body });
      expect(response.status).toBe(503);
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    });

    it('refuses log-ins behind too many waiting passwords', async () => {
      other = await start({ passwordChecks: { atOnce: 1, waiting: 1 } });
      const answers = await Promise.all(Array.from({ length: 20 }, () => login({}, {}, other)));
      const statuses = answers.map(({ status }) => status);
      expect(new Set(statuses)).toEqual(new Set([200, 503]));
      expect(answers.find(({ status }) => status === 503)).toEqual({ status: 503, body: busy });
      expect((await login({}, {}, other)).status).toBe(200);
    });
  });

  describe('with accounts in another directory', () => {
    const eve: User = {
      userId: 'ldap|eve',
      email: 'eve@example.com',
      emailVerified: true,
      blocked: false,
      profile: {},
      permissions: new Map(),
    };
    let users: readonly User[] = [eve];

    class AnyEve extends CredentialCheck {
      override async check({ username }: { username: string }) {
        return username === 'eve' ? ({ ok: true, user: eve } as const) : ({ ok: false } as const);
      }
    }
    class Eves extends UserDirectory {
      override async find(userId: string) {
        return users.find((user) => user.userId === userId);
      }
    }

    it('asks the directory, at the log-in and at each refresh', async () => {
      const other = await start({ accounts: { credentialCheck: new AnyEve(), users: new Eves() } });
      const again = (value: string) =>
        token({ grant_type: 'refresh_token', refresh_token: value }, {}, other);
      try {
        const { body } = await login({ username: 'eve', scope: 'openid offline_access' }, {}, other);
        expect(decodeJwt(body.id_token).sub).toBe('ldap|eve');
        users = [{ ...eve, blocked: true }];
        expect(await again(body.refresh_token)).toEqual({
          status: 403,
          body: { error: 'invalid_grant', error_description: 'user is blocked' },
        });
        users = [];
        expect((await again(body.refresh_token)).body.error_description).toMatch(/doesn't exist anymore/);
        users = [eve];
        expect((await again(body.refresh_token)).status).toBe(200);
      } finally {
        await other.stop();
      }
    });
  });
});

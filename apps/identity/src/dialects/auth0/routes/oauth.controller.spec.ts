/** What the token endpoint takes, and hostile requests. */
import { request } from 'node:http';
import { IdentityUnderTest } from '@app/test-support/issuer/identity-under-test';
import { answersIn, rawExchange } from '@app/test-support/network/raw-socket';

const SUITE = { client_id: 'venue-suite', client_secret: 'venue-suite-local-secret' };
const ADA = { username: 'ada@example.com', password: 'analytical-engine-1843' };
const FORM = 'application/x-www-form-urlencoded';

describe('the routes of Auth0', () => {
  let identity: IdentityUnderTest;

  beforeAll(async () => {
    identity = await IdentityUnderTest.start(SUITE);
  });

  afterAll(async () => {
    await identity.stop();
  });

  const postJson = (path: string, body: unknown) =>
    identity.send(path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });

  it('accept JSON and a form, Basic and post', async () => {
    const grant = { grant_type: 'password', ...ADA };
    expect((await identity.token(grant)).status).toBe(200);
    expect((await postJson('oauth/token', { ...SUITE, ...grant })).status).toBe(200);
    const basic = Buffer.from(`${SUITE.client_id}:${SUITE.client_secret}`).toString('base64');
    const headers = { authorization: `Basic ${basic}` };
    const body = new URLSearchParams(grant);
    expect((await identity.send('oauth/token', { method: 'POST', headers, body })).status).toBe(200);
    expect(await postJson('oauth/revoke', { ...SUITE, token: 'never-issued' })).toMatchObject({
      status: 200,
      text: '',
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ['no username', { ...ADA, username: undefined }],
    ['no grant type', { ...ADA, grant_type: undefined }],
    ['a password that is an object', { ...ADA, password: { $ne: null } }],
    ['a username that is a list', { ...ADA, username: [ADA.username] }],
  ])('refuse %s with 400', async (_title, parameters) => {
    const answer = await postJson('oauth/token', { ...SUITE, grant_type: 'password', ...parameters });
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect(answer.text).not.toContain(ADA.password);
  });

  it('refuse a doubled parameter', async () => {
    const body = new URLSearchParams({ ...SUITE, grant_type: 'password', ...ADA });
    body.append('username', 'other@example.com');
    expect((await identity.send('oauth/token', { method: 'POST', body })).status).toBe(400);
  });

  it('refuse a grant type that the client may not use, as Auth0 does', async () => {
    const { clients } = identity.running.tenant;
    clients.put({ ...clients.find('brief')!, grantTypes: ['password'] });
    const brief = { client_id: 'brief', client_secret: 'brief-local-secret' };
    expect(await identity.refresh('x', brief)).toMatchObject({
      status: 403,
      body: {
        error: 'unauthorized_client',
        error_description: "Grant type 'refresh_token' not allowed for the client.",
        error_uri: 'https://auth0.com/docs/clients/client-grant-types',
      },
    });
  });

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
  ])('refuse %s as an OAuth error that does not quote it', async (_, type, body, status) => {
    identity.lines.length = 0;
    const headers = { 'content-type': type };
    const answer = await identity.send('oauth/token', { method: 'POST', headers, body });
    expect(answer).toMatchObject({
      status,
      body: { error: 'invalid_request', error_description: expect.any(String) },
    });
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(answer.text + identity.lines.join()).not.toContain('hunter2');
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
  ])('refuse %s as an OAuth error', async (_, raw, status) => {
    const answers = answersIn(await rawExchange(identity.running.port, raw));
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
  ])('repeat nothing of %s that they do not know', async (_, path, method) => {
    const raw = `${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
    const [answer] = answersIn(await rawExchange(identity.running.port, raw));
    expect(answer).toMatchObject({
      status: 404,
      headers: { 'content-type': 'application/json; charset=utf-8' },
    });
    expect(JSON.parse(answer!.body)).toEqual({
      error: expect.any(String),
      error_description: 'There is nothing here.',
    });
  });

  it.each([
    ['GET', '.well-known/jwks.json'],
    ['POST', 'oauth/token'],
    ['GET', 'userinfo'],
  ])('give the answer to %s /%s the id of its request', async (method, path) => {
    const body = method === 'POST' ? new URLSearchParams({ ...SUITE, grant_type: 'password' }) : null;
    const { headers } = await identity.send(path, { method, body, headers: { 'x-request-id': 'r-1' } });
    expect(headers.get('x-request-id')).toBe('r-1');
  });

  it.each([
    ['Host', '/.well-known/openid-configuration', { host: 'evil.example' }],
    ['X-Forwarded-Host', '/.well-known/openid-configuration', { 'x-forwarded-host': 'evil.example' }],
    ['Forwarded', '/.well-known/openid-configuration', { forwarded: 'host=evil.example;proto=https' }],
    ['an absolute request target', 'http://evil.example/.well-known/openid-configuration', {}],
  ])('let %s change nothing in the metadata', async (_, path, headers) => {
    const { status, text } = await rawGet(path, headers);
    expect(text).not.toContain('evil');
    if (status === 200) expect(JSON.parse(text)).toMatchObject({ issuer: identity.issuer });
  });

  function rawGet(path: string, headers: Record<string, string>): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const { port } = identity.running;
      const call = request({ host: 'localhost', port, path, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      call.on('error', reject).end();
    });
  }
});

import { rawRequest } from '@app/test-support/network/raw-http';
import { ada, grace, mallory, Suite, type Answer } from '@app/test-support/suite/suite';

const portal = basic('portal', 'portal-secret-for-local-use');
const kioskSecret = 'k:i+o s%k€';
const encoded = (text: string) => encodeURIComponent(text).replaceAll('%20', '+');
const kiosk = basic('kiosk', encoded(kioskSecret));

function basic(clientId: string, secret: string): string {
  return `Basic ${Buffer.from(`${clientId}:${secret}`).toString('base64')}`;
}

type Form = Readonly<Record<string, string>> | string;

describe('the OAuth 2.0 façade', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open();
  });

  afterAll(() => suite.close());

  function post(path: string, form: Form, authorization: string | undefined = portal): Promise<Answer> {
    return suite.gateway(`/oauth2/${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(authorization && { authorization }),
      },
      body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
    });
  }
  const tryPassword = (user: { username: string; password: string }, more: Record<string, string> = {}) =>
    post('token', { grant_type: 'password', ...user, ...more });
  async function pairOf(user = ada, more: Record<string, string> = {}) {
    const answer = await tryPassword(user, more);
    expect(answer.status).toBe(200);
    return answer.body as { access_token: string; refresh_token: string; scope: string };
  }
  const tryRefresh = (refreshToken: string, more: Record<string, string> = {}, authorization = portal) =>
    post('token', { grant_type: 'refresh_token', refresh_token: refreshToken, ...more }, authorization);
  const introspect = async (token: string, more: Record<string, string> = {}, authorization = portal) =>
    (await post('introspect', { token, ...more }, authorization)).body;
  const statusAtVenue = async (token: string) => (await suite.venue('/venues', { token })).status;

  describe('RFC 6749', () => {
    it('5.1: answers a grant with an uncacheable pair, and with numbers as numbers', async () => {
      const askedAtMs = performance.now();
      const answer = await tryPassword(ada);
      const tookSeconds = (performance.now() - askedAtMs) / 1000;
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toMatch(/^application\/json\b/);
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('pragma')).toBe('no-cache');
      expect(answer.body).toEqual({
        access_token: expect.stringMatching(/^vat-[\w-]{86}$/),
        token_type: 'Bearer',
        expires_in: expect.any(Number),
        refresh_token: expect.stringMatching(/^vrt-[\w-]{86}$/),
        refresh_token_expires_in: 30 * 24 * 3600,
        scope: 'read:venues write:venues',
      });
      const { exp, iat } = await introspect(answer.body.access_token);
      // The rest of the life at the time of the answer, in whole seconds.
      expect(answer.body.expires_in).toBeLessThanOrEqual(exp - iat + 1);
      expect(answer.body.expires_in).toBeGreaterThanOrEqual(Math.floor(exp - iat - 1 - tookSeconds));
    });

    it.each([
      ['by HTTP Basic', portal, {}],
      ['by the post body', undefined, { client_id: 'portal', client_secret: 'portal-secret-for-local-use' }],
      ['by HTTP Basic, its id in the body as well', portal, { client_id: 'portal' }],
    ])('2.3.1: accepts a client %s', async (_title, authorization, more) => {
      const form = { grant_type: 'password', ...ada, ...more };
      const body = new URLSearchParams(form).toString();
      const headers = {
        'content-type': 'application/x-www-form-urlencoded',
        ...(authorization && { authorization }),
      };
      expect((await suite.gateway('/oauth2/token', { method: 'POST', headers, body })).status).toBe(200);
    });

    it.each([
      ['percent-encoded', encoded(kioskSecret)],
      ['raw, as curl sends it', kioskSecret],
    ])('2.3.1: accepts a secret of colon, plus, space, percent and euro, %s', async (_title, secret) => {
      const answer = await post('introspect', { token: 'whatever' }, basic('kiosk', secret));
      expect(answer).toMatchObject({ status: 200, body: { active: false } });
    });

    it.each<[string, string | undefined, Form, number, string]>([
      ['no credentials', undefined, {}, 401, 'invalid_client'],
      ['an unknown client', basic('unknown', 'x'), {}, 401, 'invalid_client'],
      ['a wrong secret', basic('portal', 'x'), {}, 401, 'invalid_client'],
      ['no secret', basic('portal', ''), {}, 401, 'invalid_client'],
      ['a disabled client', basic('retired', 'retired-secret'), {}, 401, 'invalid_client'],
      ['Basic that is not base64', 'Basic %%%', {}, 401, 'invalid_client'],
      [
        'Basic without a colon',
        `Basic ${Buffer.from('portal').toString('base64')}`,
        {},
        401,
        'invalid_client',
      ],
      ['a bearer token for a client', 'Bearer abcdefghijklmnop', {}, 401, 'invalid_client'],
      ['client_id alone', undefined, { client_id: 'portal' }, 401, 'invalid_client'],
      [
        'a wrong secret in the body',
        undefined,
        { client_id: 'portal', client_secret: 'x' },
        401,
        'invalid_client',
      ],
      ['two ways at once', portal, { client_id: 'portal', client_secret: 'x' }, 400, 'invalid_request'],
      ['another client_id than that of Basic', portal, { client_id: 'kiosk' }, 400, 'invalid_request'],
    ])('2.3, 3.2.1: refuses %s', async (_title, authorization, more, status, error) => {
      const body = new URLSearchParams({ grant_type: 'password', ...ada, ...(more as object) }).toString();
      const headers = {
        'content-type': 'application/x-www-form-urlencoded',
        ...(authorization && { authorization }),
      };
      const answer = await suite.gateway('/oauth2/token', { method: 'POST', headers, body });
      expect(answer).toMatchObject({ status, body: { error, error_description: expect.any(String) } });
      expect(answer.headers.get('pragma')).toBe('no-cache');
      const challenged = status === 401 && !String(new URLSearchParams(body).get('client_secret') ?? '');
      expect(answer.headers.get('www-authenticate')?.startsWith('Basic realm=') ?? false).toBe(challenged);
    });

    it.each<[string, Form, string]>([
      ['no grant_type', ada as never, 'invalid_request'],
      ['an empty grant_type', { grant_type: '', ...ada }, 'invalid_request'],
      ['an unknown grant_type', { grant_type: 'client_credentials' }, 'unsupported_grant_type'],
      ['no username', { grant_type: 'password', password: 'x' }, 'invalid_request'],
      ['an empty username', { grant_type: 'password', username: '', password: 'x' }, 'invalid_request'],
      ['no password', { grant_type: 'password', username: 'x' }, 'invalid_request'],
      ['no refresh_token', { grant_type: 'refresh_token' }, 'invalid_request'],
      ['a scope with a quote', { grant_type: 'password', ...ada, scope: 'a"b' }, 'invalid_scope'],
      ['a scope with a backslash', { grant_type: 'password', ...ada, scope: 'a\\b' }, 'invalid_scope'],
      ['a scope with a tab', { grant_type: 'password', ...ada, scope: 'a\tb' }, 'invalid_scope'],
      [
        'two spaces in the scope',
        { grant_type: 'password', ...ada, scope: 'read:venues  write:venues' },
        'invalid_scope',
      ],
      ['an umlaut in the scope', { grant_type: 'password', ...ada, scope: 'ü' }, 'invalid_scope'],
      [
        'a scope that the client may not have',
        { grant_type: 'password', ...ada, scope: 'read:venues update:users' },
        'invalid_scope',
      ],
      [
        'a doubled grant_type',
        'grant_type=password&grant_type=password&username=a&password=b',
        'invalid_request',
      ],
      ['a doubled username', 'grant_type=password&username=a&username=a&password=b', 'invalid_request'],
      ['a doubled password', 'grant_type=password&username=a&password=b&password=c', 'invalid_request'],
      ['a doubled scope', 'grant_type=password&username=a&password=b&scope=&scope=x', 'invalid_request'],
      [
        'a doubled client_id',
        'grant_type=password&username=a&password=b&client_id=portal&client_id=portal',
        'invalid_request',
      ],
      [
        'a doubled refresh_token',
        'grant_type=refresh_token&refresh_token=a&refresh_token=b',
        'invalid_request',
      ],
      ['an array for the username', 'grant_type=password&username[]=a&password=b', 'invalid_request'],
      ['an object for the username', 'grant_type=password&username[$ne]=a&password=b', 'invalid_request'],
      ['bytes that are not UTF-8', 'grant_type=password&username=%C3%28&password=b', 'invalid_request'],
      ['half a percent sign', 'grant_type=password&username=%4&password=b', 'invalid_request'],
      ['an empty body', '', 'invalid_request'],
      [
        'a username of 400 characters',
        { grant_type: 'password', username: 'x'.repeat(400), password: 'x' },
        'invalid_request',
      ],
    ])('3.1, 3.2, 3.3, 5.2: refuses %s', async (_title, form, error) => {
      const answer = await post('token', form);
      expect(answer).toMatchObject({ status: 400, body: { error, error_description: expect.any(String) } });
      expect(answer.body.error_description).toMatch(/^[\x20-\x21\x23-\x5B\x5D-\x7E]+$/);
    });

    it('5.2: refuses a grant that the client may not use', async () => {
      const answer = await post('token', { grant_type: 'password', ...ada }, kiosk);
      expect(answer).toMatchObject({ status: 400, body: { error: 'unauthorized_client' } });
    });

    it.each([
      ['an unknown user', { username: 'unknown@example.com', password: 'x' }],
      ['a wrong password', { ...grace, password: 'x' }],
      ['a blocked user', mallory],
    ])('5.2, with the status of the setting: has one answer for %s', async (_title, user) => {
      const answer = await tryPassword(user);
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Basic /);
      expect(answer.body).toEqual({
        error: 'invalid_grant',
        error_description: 'The user, the password or the refresh token is wrong, or no longer good',
      });
    });

    it('3.2: ignores unknown parameters, and treats an empty scope as none', async () => {
      const more = { foo: 'bar', audience: 'https://other.example/', realm: 'x', scope: '' };
      expect((await pairOf(ada, more)).scope).toBe('read:venues write:venues');
    });

    it('3.3: grants the part of the requested scope that the user has, and names it', async () => {
      expect((await pairOf(grace, { scope: 'read:venues write:venues' })).scope).toBe('read:venues');
      const { access_token: token } = await pairOf(ada, { scope: 'read:venues' });
      const create = { method: 'POST', token, headers: { 'content-type': 'application/json' }, body: '{}' };
      expect(await statusAtVenue(token)).toBe(200);
      expect((await suite.venue('/venues', create)).status).toBe(403);
    });

    it.each(['GET', 'PUT', 'DELETE', 'PATCH', 'HEAD'])('3.2: answers %s with 405', async (method) => {
      for (const path of ['token', 'revoke', 'introspect']) {
        const answer = await suite.gateway(`/oauth2/${path}`, { method, headers: { authorization: portal } });
        expect(answer.status).toBe(405);
        expect(answer.headers.get('allow')).toBe('POST');
      }
    });

    it.each([
      ['JSON', 'application/json', JSON.stringify({ grant_type: 'password', ...ada }), 400],
      ['no type', undefined, 'grant_type=password', 415],
      ['a type that begins like a form', 'application/x-www-form-urlencoded2', 'grant_type=password', 415],
      ['10 MB', 'application/x-www-form-urlencoded', 'a'.repeat(10_000_000), 413],
      ['bytes that are not UTF-8', 'application/x-www-form-urlencoded', Buffer.from([0x61, 0x3d, 0xff]), 400],
    ])('appendix B: refuses %s', async (_title, type, body, status) => {
      const headers = { authorization: portal, ...(type !== undefined && { 'content-type': type }) };
      const answer = await suite
        .gateway('/oauth2/token', {
          method: 'POST',
          headers,
          body: typeof body === 'string' ? Buffer.from(body) : body,
        })
        .catch(() => undefined);
      // A server may close the connection before it has read a body that it refuses.
      if (answer) expect(answer).toMatchObject({ status, body: { error: 'invalid_request' } });
      else expect(status).toBe(413);
    });

    it('2.3.1: accepts no credentials in the URL, and logs none', async () => {
      const canary = 'canary-in-the-query';
      const url = `/oauth2/token?client_id=portal&client_secret=${canary}&password=${canary}`;
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      const answer = await suite.gateway(url, { method: 'POST', headers, body: 'grant_type=password' });
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
      expect(suite.logs.filter((line) => line.includes(canary))).toEqual([]);
    });

    it('refuses a request with two Authorization headers', async () => {
      const answer = await rawRequest(`${suite.gatewayUrl}/oauth2/revoke`, {
        method: 'POST',
        headers: [
          'Authorization',
          portal,
          'Authorization',
          portal,
          'Content-Type',
          'application/x-www-form-urlencoded',
        ],
        // With one of them, it is accepted.
        body: 'token=no-such-token-0123456789',
      });
      expect(answer.status).toBe(400);
      expect(answer.body).toContain('more than one Authorization header');
    });

    it('6: a refresh replaces both tokens, and may narrow the scope for one access token only', async () => {
      const first = await pairOf();
      const narrow = (await tryRefresh(first.refresh_token, { scope: 'read:venues' })).body;
      expect(narrow.scope).toBe('read:venues');
      expect(await introspect(narrow.access_token)).toMatchObject({ scope: 'read:venues' });
      expect(await introspect(narrow.refresh_token)).toMatchObject({ scope: 'read:venues write:venues' });
      const full = (await tryRefresh(narrow.refresh_token)).body;
      expect(full.scope).toBe('read:venues write:venues');
      const tokens = [first, narrow, full].flatMap((pair) => [pair.access_token, pair.refresh_token]);
      expect(new Set(tokens).size).toBe(6);
    });

    it('6: refuses a wider scope, and the refresh token stays valid', async () => {
      const { refresh_token: token } = await pairOf(ada, { scope: 'read:venues' });
      const answer = await tryRefresh(token, { scope: 'read:venues write:venues' });
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
      expect((await tryRefresh(token)).body.scope).toBe('read:venues');
    });

    it('6, 10.4: refuses another client, and the token stays valid for its own', async () => {
      const { refresh_token: token } = await pairOf(ada, { scope: 'read:venues' });
      expect(await tryRefresh(token, {}, kiosk)).toMatchObject({
        status: 401,
        body: { error: 'invalid_grant' },
      });
      expect((await tryRefresh(token)).status).toBe(200);
    });

    it('gives one pair for a repeated refresh, at once or after a lost answer, to its own client only', async () => {
      const first = await pairOf();
      const answers = await Promise.all([1, 2, 3, 4, 5].map(() => tryRefresh(first.refresh_token)));
      answers.push(await tryRefresh(first.refresh_token));
      expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
      const pairs = answers.map(({ body }) => `${body.access_token} ${body.refresh_token}`);
      expect(new Set(pairs).size).toBe(1);
      expect(await tryRefresh(first.refresh_token, {}, kiosk)).toMatchObject({ status: 401 });
      const second = answers[0]!.body;
      expect(await statusAtVenue(second.access_token)).toBe(200);
      expect((await tryRefresh(second.refresh_token)).status).toBe(200);
    });

    it.each(['access_token', 'refresh_token'] as const)(
      'refuses its %s as a session of a front end',
      async (name) => {
        const pair = await pairOf();
        expect((await suite.gateway('/auth/refresh', { method: 'POST', token: pair[name] })).status).toBe(
          401,
        );
        expect((await tryRefresh(pair.refresh_token)).status).toBe(200);
        if (name === 'refresh_token') expect(await statusAtVenue(pair.refresh_token)).toBe(401);
      },
    );
  });

  describe('the guard', () => {
    it.each([
      ['GET', '/auth/sessions'],
      ['DELETE', '/auth/sessions'],
      ['DELETE', '/auth/sessions/00000000-0000-4000-8000-000000000000'],
      ['POST', '/auth/logout-all'],
    ])("%s %s is not for a client's token", async (method, path) => {
      const { access_token: token } = await pairOf();
      const answer = await suite.gateway(path, { method, token });
      expect(answer).toMatchObject({ status: 403, body: { error: 'access_denied' } });
      expect(await statusAtVenue(token)).toBe(200);
    });

    it('admits a token of a client like any other, until its user logs out everywhere', async () => {
      const { access_token: token } = await pairOf(grace);
      expect(await statusAtVenue(token)).toBe(200);
      expect((await suite.gateway('/auth/me', { token })).body).toMatchObject({
        sub: 'auth0|grace',
        client_id: 'portal',
        scope: 'read:venues',
      });
      const own = await suite.login(grace);
      expect((await suite.gateway('/auth/logout-all', { method: 'POST', token: own })).status).toBe(204);
      expect(await statusAtVenue(token)).toBe(401);
    });

    it('refuses a token of this form that was never issued', async () => {
      const { access_token: token } = await pairOf();
      const last = token.at(-1) === 'A' ? 'B' : 'A';
      expect(await statusAtVenue(token.slice(0, -1) + last)).toBe(401);
    });
  });

  describe('RFC 7009', () => {
    it.each([
      ['refresh token', 'refresh_token', {}],
      ['refresh token, hinted at as an access token', 'refresh_token', { token_type_hint: 'access_token' }],
      ['access token', 'access_token', {}],
      ['access token, hinted at as nonsense', 'access_token', { token_type_hint: 'nonsense' }],
    ] as const)('2.1: a revoked %s ends both', async (_title, name, hint) => {
      const pair = await pairOf();
      expect(await statusAtVenue(pair.access_token)).toBe(200);
      const answer = await post('revoke', { token: pair[name], ...hint });
      expect(answer).toMatchObject({ status: 200, text: '' });
      expect(await statusAtVenue(pair.access_token)).toBe(401);
      expect((await tryRefresh(pair.refresh_token)).status).toBe(401);
    });

    it.each([
      ['unknown', 'no-such-token-0123456789'],
      ['of the form but never issued', `vrt-${'A'.repeat(86)}`],
      ['far too long', 'x'.repeat(13_000)],
    ])('2.2: answers 200 for a token that is %s', async (_title, token) => {
      expect(await post('revoke', { token })).toMatchObject({ status: 200, text: '' });
    });

    it('2.2: answers 200 for a text that no message has room for', async () => {
      const answer = await suite.gateway('/oauth2/revoke', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: portal },
        // Not percent-encoded, which would be too long for a body.
        body: `token=${'\u0001'.repeat(12_288)}`,
      });
      expect(answer).toMatchObject({ status: 200, text: '' });
    });

    it("2.1: refuses another client's token, which stays valid", async () => {
      const pair = await pairOf(ada, { scope: 'read:venues' });
      for (const token of [pair.access_token, pair.refresh_token]) {
        const answer = await post('revoke', { token }, kiosk);
        expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
      }
      expect(await statusAtVenue(pair.access_token)).toBe(200);
      expect((await tryRefresh(pair.refresh_token)).status).toBe(200);
    });

    it('2.2.1: says that a JWT cannot be revoked here', async () => {
      const answer = await post('revoke', { token: await suite.login(ada) });
      expect(answer).toMatchObject({ status: 400, body: { error: 'unsupported_token_type' } });
    });

    it.each([
      ['a missing token', {}, portal, 400, 'invalid_request'],
      ['a wrong secret', { token: 'x' }, basic('portal', 'x'), 401, 'invalid_client'],
    ])('2.1: refuses %s', async (_title, form, authorization, status, error) => {
      expect(await post('revoke', form as never, authorization)).toMatchObject({ status, body: { error } });
    });
  });

  describe('RFC 7662', () => {
    it('2.2: describes a token of a client', async () => {
      const { access_token: token } = await pairOf();
      expect(await introspect(token, { token_type_hint: 'refresh_token' })).toEqual({
        active: true,
        scope: 'read:venues write:venues',
        client_id: 'portal',
        token_type: 'Bearer',
        exp: expect.any(Number),
        iat: expect.any(Number),
        sub: 'auth0|ada',
        aud: expect.arrayContaining(['https://api.venue.example/']),
        iss: expect.stringMatching(/^https?:\/\//),
      });
    });

    it("2.2: describes the authorization server's own JWT, to any client", async () => {
      const answer = await introspect(await suite.login(ada), {}, kiosk);
      expect(answer).toMatchObject({ active: true, sub: 'auth0|ada', iss: suite.issuer });
    });

    it.each<[string, () => Promise<string>]>([
      ['an unknown token', async () => 'no-such-token-0123456789'],
      ['a token that is not spelled as one', async () => 'ü ö'],
      ['a token of the form that was never issued', async () => `vat-${'A'.repeat(86)}`],
      [
        'a logged-out JWT',
        async () => {
          const token = await suite.login(ada);
          expect(await introspect(token)).toMatchObject({ active: true });
          await suite.logout(token);
          return token;
        },
      ],
      [
        'a revoked token of a client',
        async () => {
          const { access_token: token } = await pairOf();
          await post('revoke', { token });
          return token;
        },
      ],
      [
        "another API's JWT",
        async () =>
          (await suite.tokensFromIssuer({ audience: 'https://other.example/', scope: 'read:other' }))
            .access_token,
      ],
      ["another client's refresh token", async () => (await pairOf()).refresh_token],
    ])('2.2: says only that a token is not active: %s', async (_title, make) => {
      const answer = await post('introspect', { token: await make() }, kiosk);
      expect(answer.status).toBe(200);
      expect(answer.body).toEqual({ active: false });
    });

    it('2.1, 2.3: refuses a caller that is no client', async () => {
      const { access_token: token } = await pairOf();
      const anonymous = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
      const body = new URLSearchParams({ token }).toString();
      expect(await suite.gateway('/oauth2/introspect', { ...anonymous, body })).toMatchObject({
        status: 401,
      });
      expect(await post('introspect', { token }, `Bearer ${token}`)).toMatchObject({ status: 401 });
    });
  });
});

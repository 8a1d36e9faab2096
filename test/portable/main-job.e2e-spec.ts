import { ada, grace, mallory, Suite } from '@app/test-support/suite/suite';

describe('the main job', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open();
  });

  afterAll(async () => {
    await suite.close();
  });

  it('logs in, calls a guarded route, refreshes, logs out', async () => {
    const login = await suite.tryLogin({ ...ada });
    expect(login.status).toBe(200);
    expect(login.headers.get('cache-control')).toBe('no-store');
    expect(login.body).toEqual({
      access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/),
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'openid profile email offline_access read:venues write:venues',
    });

    const first = login.body.access_token as string;
    expect(await suite.venue('/venues', { token: first })).toMatchObject({ status: 200 });

    const second = await suite.refresh(first);
    expect(second).not.toBe(first);
    expect(await suite.venue('/venues', { token: second })).toMatchObject({ status: 200 });

    expect(await suite.logout(second)).toMatchObject({ status: 204, text: '' });
    for (const token of [first, second]) {
      expect(await suite.venue('/venues', { token })).toMatchObject({ status: 401 });
      expect(await suite.gateway('/auth/me', { token })).toMatchObject({ status: 401 });
      expect(await suite.gateway('/auth/refresh', { method: 'POST', token })).toMatchObject({ status: 401 });
    }
  });

  it('gives the user of a token', async () => {
    const me = await suite.gateway('/auth/me', { token: await suite.login(grace) });
    expect(me).toMatchObject({
      status: 200,
      body: {
        sub: 'auth0|grace',
        client_id: 'venue-suite',
        permissions: ['read:venues'],
        exp: expect.any(Number),
      },
    });
  });

  describe('log-in', () => {
    it('has one answer for an unknown user, a wrong password and a blocked user', async () => {
      const attempts = [
        { ...ada, password: 'wrong' },
        { username: 'unknown@example.com', password: 'wrong' },
        mallory,
      ];
      const answers = await Promise.all(attempts.map((attempt) => suite.tryLogin({ ...attempt })));
      for (const { status, body, headers } of answers) {
        expect(status).toBe(401);
        expect(body).toEqual({ error: 'invalid_grant', error_description: 'Wrong username or password' });
        expect(headers.get('www-authenticate')).toBe('Bearer realm="gateway"');
      }
    });

    it('judges a user name and a password of maximum length', async () => {
      const longest = { username: `${'密'.repeat(106)}aa`, password: `${'密'.repeat(1_365)}a` };
      expect(await suite.tryLogin(longest)).toMatchObject({ status: 401, body: { error: 'invalid_grant' } });
    });

    it('accepts the name of a connection', async () => {
      const realm = 'Username-Password-Authentication';
      expect((await suite.tryLogin({ ...ada, realm })).status).toBe(200);
    });

    it.each([
      ['no body', undefined],
      ['no password', { username: ada.username }],
      ['an empty password', { ...ada, password: '' }],
      ['a password that is an object', { ...ada, password: { $ne: null } }],
      ['a username that is a list', { ...ada, username: [ada.username] }],
      ['a list instead of an object', [ada]],
      ['a connection name with a space', { ...ada, realm: 'a b' }],
      ['a password that is too long once it is encoded', { ...ada, password: '密'.repeat(1_800) }],
    ])('refuses %s with 400', async (_title, credentials) => {
      const answer = await suite.gateway('/auth/login', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        ...(credentials !== undefined && { body: JSON.stringify(credentials) }),
      });
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
      expect(answer.text).not.toContain(ada.password);
    });

    it.each([
      ['broken JSON', 'application/json', `{"password":${ada.password}}`, 400],
      ['JSON that ends early', 'application/json', `{"username":"a","password":"${ada.password}`, 400],
      ['a form that calls itself JSON', 'application/json', `username=a&password=${ada.password}`, 400],
      ['prototype pollution', 'application/json', `{"__proto__":{"password":"${ada.password}"}}`, 400],
      ['a media type that is not taken', 'application/xml', `password=${ada.password}`, 415],
      [
        'a body of more than 16 KiB',
        'application/json',
        JSON.stringify({ ...ada, fill: 'x'.repeat(17_000) }),
        413,
      ],
    ])('refuses %s without repeating it', async (_title, type, body, status) => {
      const headers = { 'content-type': type };
      const answer = await suite.gateway('/auth/login', { method: 'POST', headers, body });
      expect(answer).toMatchObject({ status, body: { error: 'invalid_request' } });
      expect(answer.text).not.toContain('analytical');
    });
  });

  describe('refresh', () => {
    it('gives one new token to all simultaneous requests with one token', async () => {
      const token = await suite.login(ada);
      const refreshed = await Promise.all(Array.from({ length: 5 }, () => suite.refresh(token)));
      expect(new Set(refreshed).size).toBe(1);
      expect(await suite.venue('/venues', { token: refreshed[0] })).toMatchObject({ status: 200 });
      await suite.refresh(refreshed[0]!);
    });

    it('refuses a token of ours without a session', async () => {
      const { access_token: token } = await suite.tokensFromIssuer({
        audience: 'https://api.venue.example/',
      });
      expect(await suite.gateway('/auth/refresh', { method: 'POST', token })).toMatchObject({
        status: 401,
        body: { error: 'invalid_grant' },
      });
    });
  });

  describe('log-out', () => {
    it('may be repeated', async () => {
      const token = await suite.login(ada);
      expect((await suite.logout(token)).status).toBe(204);
      expect((await suite.logout(token)).status).toBe(204);
    });

    it('ends one session and no other of the user', async () => {
      const [one, other] = [await suite.login(ada), await suite.login(ada)];
      for (const token of [one, other]) expect((await suite.venue('/venues', { token })).status).toBe(200);
      await suite.logout(one);
      expect((await suite.venue('/venues', { token: one })).status).toBe(401);
      expect((await suite.venue('/venues', { token: other })).status).toBe(200);
    });

    it('ends the session by its previous token as well', async () => {
      const old = await suite.login(ada);
      const current = await suite.refresh(old);
      expect((await suite.logout(old)).status).toBe(204);
      expect((await suite.venue('/venues', { token: current })).status).toBe(401);
    });

    it('wins over a simultaneous refresh', async () => {
      for (let round = 0; round < 20; round += 1) {
        const token = await suite.login(ada);
        const refreshing = suite.gateway('/auth/refresh', { method: 'POST', token });
        const [refreshed, ended] = await Promise.all([refreshing, suite.logout(token)]);
        expect(ended.status).toBe(204);
        expect([200, 401]).toContain(refreshed.status);
        const survivors = [token, refreshed.body.access_token as string | undefined].filter(Boolean);
        for (const survivor of survivors) {
          expect((await suite.venue('/venues', { token: survivor })).status).toBe(401);
          expect((await suite.gateway('/auth/refresh', { method: 'POST', token: survivor })).status).toBe(
            401,
          );
        }
      }
    });

    it('also revokes a token of ours without a session', async () => {
      const { access_token: token } = await suite.tokensFromIssuer({
        audience: 'https://api.venue.example/',
      });
      expect((await suite.venue('/venues', { token })).status).toBe(200);
      expect((await suite.logout(token)).status).toBe(204);
      expect((await suite.venue('/venues', { token })).status).toBe(401);
    });

    it('refuses a token that is not ours', async () => {
      const answer = await suite.logout('not-a-token-of-any-issuer');
      expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_token' } });
      expect(answer.headers.get('www-authenticate')).toContain('error="invalid_token"');
    });
  });

  describe('log-out everywhere', () => {
    const logoutAll = (token: string) => suite.gateway('/auth/logout-all', { method: 'POST', token });

    it('ends all sessions of the user, and of no other user', async () => {
      const [one, other, somebodyElse] = [
        await suite.login(ada),
        await suite.login(ada),
        await suite.login(grace),
      ];
      const refreshed = await suite.refresh(other);
      for (const token of [one, refreshed, somebodyElse]) {
        expect((await suite.venue('/venues', { token })).status).toBe(200);
      }
      expect((await logoutAll(one)).status).toBe(204);
      for (const token of [one, other, refreshed]) {
        expect((await suite.venue('/venues', { token })).status).toBe(401);
        expect((await suite.gateway('/auth/refresh', { method: 'POST', token })).status).toBe(401);
      }
      expect((await suite.venue('/venues', { token: somebodyElse })).status).toBe(200);
    });

    it('allows a log-in at once, even within the same second', async () => {
      expect((await logoutAll(await suite.login(grace))).status).toBe(204);
      const token = await suite.login(grace);
      expect((await suite.venue('/venues', { token })).status).toBe(200);
      expect((await suite.venue('/venues', { token: await suite.refresh(token) })).status).toBe(200);
    });

    it('needs a token that still has access', async () => {
      const [one, other] = [await suite.login(grace), await suite.login(grace)];
      await suite.logout(one);
      expect((await logoutAll(one)).status).toBe(401);
      expect((await suite.venue('/venues', { token: other })).status).toBe(200);
    });
  });

  describe('venues', () => {
    it('can be added, changed and removed with the permission write:venues', async () => {
      const token = await suite.login(ada);
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ name: 'Analytical Hall', city: 'London', capacity: 1843 });
      const added = await suite.venue('/venues', { method: 'POST', token, headers, body });
      expect(added).toMatchObject({ status: 201, body: { name: 'Analytical Hall', capacity: 1843 } });

      const path = `/venues/${added.body.id}`;
      const changes = JSON.stringify({ capacity: 1 });
      const changed = await suite.venue(path, { method: 'PATCH', token, headers, body: changes });
      expect(changed).toMatchObject({ status: 200, body: { name: 'Analytical Hall', capacity: 1 } });
      expect((await suite.venue(path, { token })).body).toEqual(changed.body);

      expect((await suite.venue(path, { method: 'DELETE', token })).status).toBe(204);
      expect((await suite.venue(path, { token })).status).toBe(404);
    });

    it('can only be read without it, whatever is cached', async () => {
      const token = await suite.login(grace);
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ name: 'n', city: 'c', capacity: 1 });
      for (let i = 0; i < 2; i += 1) {
        expect((await suite.venue('/venues', { token })).status).toBe(200);
        const refused = await suite.venue('/venues', { method: 'POST', token, headers, body });
        expect(refused).toMatchObject({ status: 403, body: { error: 'insufficient_scope', status: 403 } });
        expect(refused.headers.get('www-authenticate')).toContain('scope="write:venues"');
      }
    });

    it.each([
      ['no name', { city: 'c', capacity: 1 }, 'name'],
      ['a capacity that is text', { name: 'n', city: 'c', capacity: '1' }, 'capacity'],
      ['a capacity of none', { name: 'n', city: 'c', capacity: 0 }, 'capacity'],
      ['a name of blanks', { name: '  ', city: 'c', capacity: 1 }, 'name'],
      ['an unknown field', { name: 'n', city: 'c', capacity: 1, owner: 'me' }, ''],
    ])('refuses %s with problem details', async (_title, venue, path) => {
      const token = await suite.login(ada);
      const headers = { 'content-type': 'application/json' };
      const answer = await suite.venue('/venues', {
        method: 'POST',
        token,
        headers,
        body: JSON.stringify(venue),
      });
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer).toMatchObject({
        status: 400,
        body: { title: 'Bad Request', status: 400, errors: [expect.objectContaining({ path })] },
      });
    });

    it('has a page without log-in', async () => {
      expect(await suite.venue('/')).toMatchObject({ status: 200, body: { service: 'venue' } });
    });
  });
});

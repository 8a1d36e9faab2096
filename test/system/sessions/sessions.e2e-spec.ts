import { setTimeout as delay } from 'node:timers/promises';
import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { ada, grace, Suite } from '@app/test-support/suite/suite';

describe('an access token that was refreshed before', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open({ REFRESH_REPLAY_WINDOW_SECONDS: '1' });
  });

  afterAll(() => suite.close());

  const tryRefresh = (token: string) => suite.gateway('/auth/refresh', { method: 'POST', token });

  it('ends its session after the replay window, for the holder of the new token as well', async () => {
    const [stolen, bystander] = [await suite.login(ada), await suite.login(ada)];
    const second = await suite.refresh(stolen);
    const third = await suite.refresh(second);
    expect(await suite.venue('/venues', { token: third })).toMatchObject({ status: 200 });
    await delay(1_200);
    const reuse = await tryRefresh(stolen);
    expect(reuse).toMatchObject({
      status: 401,
      body: { error: 'invalid_grant', error_description: expect.stringContaining('refreshed before') },
    });
    for (const token of [stolen, second, third]) {
      expect(await suite.venue('/venues', { token })).toMatchObject({ status: 401 });
      expect(await tryRefresh(token)).toMatchObject({ status: 401, body: { error: 'invalid_grant' } });
    }
    expect(await suite.venue('/venues', { token: bystander })).toMatchObject({ status: 200 });
    await suite.refresh(bystander);
    expect(suite.logs.filter((line) => line.includes('presented again'))).toHaveLength(1);
  });

  it('gets the same new token within the replay window', async () => {
    const token = await suite.login(ada);
    expect(await suite.refresh(token)).toBe(await suite.refresh(token));
  });
});

describe('a session', () => {
  it('is not shared by two log-ins of one second with the same token: one of them waits for another token', async () => {
    const issuer = await ScriptedIssuer.start();
    const suite = await Suite.open({ AUTH0_ISSUER_URL: issuer.issuer });
    try {
      const sub = 'auth0|twin';
      const { body: same } = await issuer.grant({ sub });
      const { access_token: shared } = same as { access_token: string };
      issuer.answers(async () => {
        const granted = await issuer.grant({ sub });
        if (issuer.asked.length > 2) return granted;
        return { ...granted, body: { ...(granted.body as object), access_token: shared } };
      });
      const [token, twin] = await Promise.all([suite.login(ada), suite.login(ada)]);
      expect(token).not.toBe(twin);
      expect(issuer.revoked).toHaveLength(1);
      const { body: list } = await suite.gateway('/auth/sessions', { token });
      expect(list.sessions).toHaveLength(2);
      expect((await suite.logout(token)).status).toBe(204);
      expect((await suite.venue('/venues', { token: twin })).status).toBe(200);
      await suite.refresh(twin);
    } finally {
      await suite.close();
      await issuer.stop();
    }
  });

  it('ends when its user has more than 64, the one unused longest first', async () => {
    const issuer = await ScriptedIssuer.start();
    const suite = await Suite.open({ AUTH0_ISSUER_URL: issuer.issuer });
    try {
      issuer.answers(() => issuer.grant({ sub: 'auth0|many' }));
      const tokens: string[] = [];
      while (tokens.length < 66) tokens.push(await suite.login(ada));
      const statuses = await Promise.all(
        tokens.map(async (token) => (await suite.venue('/venues', { token })).status),
      );
      expect(statuses.filter((status) => status === 401)).toHaveLength(2);
      expect(statuses.at(-1)).toBe(200);
      const { body: list } = await suite.gateway('/auth/sessions', { token: tokens.at(-1)! });
      expect(list.sessions).toHaveLength(64);
    } finally {
      await suite.close();
      await issuer.stop();
    }
  });

  it('with many refreshes remembers its last 64 access tokens, and revokes those that it forgets', async () => {
    const issuer = await ScriptedIssuer.start();
    const suite = await Suite.open({ AUTH0_ISSUER_URL: issuer.issuer });
    try {
      issuer.answers(() => issuer.grant({ sub: 'auth0|busy' }));
      const tokens = [await suite.login(ada)];
      while (tokens.length < 66) tokens.push(await suite.refresh(tokens.at(-1)!));
      const statuses = async () =>
        Promise.all(tokens.map(async (token) => (await suite.venue('/venues', { token })).status));
      expect(await statuses()).toEqual([401, 401, ...Array<number>(64).fill(200)]);
      expect((await suite.gateway('/auth/logout', { method: 'POST', token: tokens.at(-1)! })).status).toBe(
        204,
      );
      expect(new Set(await statuses())).toEqual(new Set([401]));
    } finally {
      await suite.close();
      await issuer.stop();
    }
  });

  it('ends at its absolute lifetime, whatever its refreshes', async () => {
    const suite = await Suite.open({ SESSION_ABSOLUTE_SECONDS: '4' });
    const token = await suite.refresh(await suite.login(ada));
    await delay(4_100);
    const late = await suite.gateway('/auth/refresh', { method: 'POST', token });
    await suite.close();
    expect(late).toMatchObject({ status: 401, body: { error: 'invalid_grant' } });
  });
});

describe('an access token that has expired', () => {
  // Access tokens of the bundled server's client `brief` live for two seconds.
  const brief = { AUTH0_CLIENT_ID: 'brief', AUTH0_CLIENT_SECRET: 'brief-local-secret' };

  it.each([
    ['is refreshed', '60', 200],
    ['is not refreshed after the limit', '1', 401],
  ])('%s', async (_title, limitSeconds, status) => {
    const suite = await Suite.open({ ...brief, REFRESH_EXPIRED_LIMIT_SECONDS: limitSeconds });
    const token = await suite.login(ada);
    await delay(3_500);
    expect(await suite.venue('/venues', { token })).toMatchObject({ status: 401 });
    const answer = await suite.gateway('/auth/refresh', { method: 'POST', token });
    await suite.close();
    expect(answer.status).toBe(status);
  });
});

describe('an opaque token', () => {
  it('stays logged out for its whole life, not only until the next question about it', async () => {
    const suite = await Suite.open();
    const { access_token: token } = await suite.tokensFromIssuer({ scope: 'openid' });
    expect(await suite.gateway('/auth/me', { token })).toMatchObject({ status: 200 });
    expect(await suite.logout(token)).toMatchObject({ status: 204 });
    expect(await suite.gateway('/auth/me', { token })).toMatchObject({ status: 401 });
    const denials = (await suite.own!.redis.cli('--scan', '--pattern', '*:deny:v3:*:token:*')).split('\n');
    const ttls = await Promise.all(denials.map((key) => suite.own!.redis.cli('TTL', key)));
    await suite.close();
    // A denial outlives its tokens by an hour.
    expect(ttls.map(Number)).toEqual([expect.closeTo(30 * 24 * 3600 + 3600, -2)]);
  });
});

describe('an opaque token of another client of the tenant', () => {
  it("shows its user, and none of the user's sessions; it may revoke itself", async () => {
    const suite = await Suite.open();
    const own = await suite.login(ada);
    const { access_token: token } = await suite.tokensFromIssuer({
      client_id: 'brief',
      client_secret: 'brief-local-secret',
      scope: 'openid',
    });
    const { body: list } = await suite.gateway('/auth/sessions', { token: own });
    const requests: [string, string][] = [
      ['GET', '/auth/sessions'],
      ['DELETE', `/auth/sessions/${list.sessions[0].id}`],
      ['DELETE', '/auth/sessions'],
      ['POST', '/auth/logout-all'],
    ];
    const answers = await Promise.all(
      requests.map(([method, path]) => suite.gateway(path, { method, token })),
    );
    expect(await suite.gateway('/auth/me', { token })).toMatchObject({ status: 200 });
    const ended = await suite.logout(token);
    const after = await suite.gateway('/auth/me', { token });
    const survivor = await suite.venue('/venues', { token: own });
    await suite.close();
    for (const answer of answers)
      expect(answer).toMatchObject({ status: 403, body: { error: 'access_denied' } });
    expect([ended.status, after.status, survivor.status]).toEqual([204, 401, 200]);
  });
});

describe('the sessions of a user', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open();
  });

  afterAll(() => suite.close());

  async function loginFrom(userAgent: string, user = ada): Promise<string> {
    const headers = { 'content-type': 'application/json', 'user-agent': userAgent };
    const answer = await suite.gateway('/auth/login', {
      method: 'POST',
      headers,
      body: JSON.stringify(user),
    });
    return answer.body.access_token;
  }
  const listed = async (token: string): Promise<any[]> =>
    (await suite.gateway('/auth/sessions', { token })).body.sessions;
  const end = (id: string, token: string) =>
    suite.gateway(`/auth/sessions/${id}`, { method: 'DELETE', token });
  const statusAtVenue = async (token: string) => (await suite.venue('/venues', { token })).status;

  beforeEach(async () => {
    await suite.gateway('/auth/sessions', { method: 'DELETE', token: await suite.login(ada) });
  });

  it('have a list with device, address and times, which marks the current one', async () => {
    const phone = await loginFrom('Phone/1.0');
    const laptop = await loginFrom('Laptop/2.0');
    const sessions = await listed(laptop);
    expect(sessions).toHaveLength(2);
    const nowSeconds = Date.now() / 1000;
    const common = { id: expect.any(String), address: expect.stringMatching(/^(127\.0\.0\.1|::1)$/) };
    expect(sessions).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ ...common, user_agent: 'Phone/1.0', current: false }),
        expect.objectContaining({ ...common, user_agent: 'Laptop/2.0', current: true }),
      ]),
    );
    for (const { created_at: created, last_used_at: used } of sessions) {
      expect(Math.abs(created - nowSeconds)).toBeLessThan(5);
      expect(used).toBeGreaterThanOrEqual(created);
    }
    await delay(1_100);
    const before = (await listed(laptop)).find(({ current }) => !current)!;
    const renewed = await suite.refresh(phone);
    const after = (await listed(renewed)).find(({ current }) => current)!;
    expect(after).toMatchObject({ id: before.id, created_at: before.created_at });
    expect(after.last_used_at).toBeGreaterThan(before.last_used_at);
    expect(await listed(renewed)).toHaveLength(2);
  });

  it('can end one at a time: access at once, refresh as well', async () => {
    const lost = await loginFrom('Lost/1.0');
    const renewed = await suite.refresh(lost);
    const kept = await loginFrom('Kept/1.0');
    expect([await statusAtVenue(renewed), await statusAtVenue(kept)]).toEqual([200, 200]);
    const { id } = (await listed(kept)).find(
      ({ user_agent: agent }) => agent === 'Lost/1.0' || agent === 'node',
    )!;
    expect(await end(id, kept)).toMatchObject({ status: 204 });
    expect([await statusAtVenue(lost), await statusAtVenue(renewed), await statusAtVenue(kept)]).toEqual([
      401, 401, 200,
    ]);
    for (const token of [lost, renewed]) {
      expect(await suite.gateway('/auth/refresh', { method: 'POST', token })).toMatchObject({ status: 401 });
    }
    expect(await listed(kept)).toHaveLength(1);
    expect(await end(id, kept)).toMatchObject({ status: 404, body: { error: 'not_found' } });
    await suite.refresh(kept);
  });

  it('can end the current one, as by a log-out', async () => {
    const token = await loginFrom('Here/1.0');
    const [{ id }] = await listed(token);
    expect(await end(id, token)).toMatchObject({ status: 204 });
    expect(await statusAtVenue(token)).toBe(401);
    expect(await suite.gateway('/auth/sessions', { token })).toMatchObject({ status: 401 });
  });

  it('of registered clients are in the list, and can end as well', async () => {
    const own = await loginFrom('Own/1.0');
    const authorization = `Basic ${Buffer.from('portal:portal-secret-for-local-use').toString('base64')}`;
    const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
    const body = new URLSearchParams({ grant_type: 'password', ...ada }).toString();
    const pair = (await suite.gateway('/oauth2/token', { method: 'POST', headers, body })).body;
    expect(await statusAtVenue(pair.access_token)).toBe(200);
    const { id } = (await listed(own)).find(({ client_id: client }) => client === 'portal')!;
    expect(await end(id, own)).toMatchObject({ status: 204 });
    expect(await statusAtVenue(pair.access_token)).toBe(401);
    const refresh = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: pair.refresh_token,
    }).toString();
    expect(await suite.gateway('/oauth2/token', { method: 'POST', headers, body: refresh })).toMatchObject({
      status: 401,
    });
  });

  it('are invisible to another user, who cannot end them either', async () => {
    const token = await loginFrom('Ada/1.0');
    const stranger = await loginFrom('Grace/1.0', grace);
    const [{ id }] = await listed(token);
    expect((await listed(stranger)).map((session) => session.id)).not.toContain(id);
    expect(await end(id, stranger)).toMatchObject({ status: 404 });
    expect(await statusAtVenue(token)).toBe(200);
  });

  it.each([
    ['no uuid', 'x'],
    ['a path', '..%2F..%2Fx'],
    ['no session', '00000000-0000-4000-8000-000000000000'],
  ])('404 for an id that names %s', async (_title, id) => {
    expect(await end(id, await suite.login(ada))).toMatchObject({ status: 404 });
  });

  it('leave the list after a log-out, all of them after a log-out everywhere', async () => {
    const [first, second] = [await loginFrom('A/1'), await loginFrom('B/1')];
    await suite.logout(first);
    expect(await listed(second)).toHaveLength(1);
    await suite.gateway('/auth/logout-all', { method: 'POST', token: second });
    expect(await listed(await suite.login(ada))).toHaveLength(1);
  });

  it('ended while it is being refreshed stays ended, 40 times out of 40', async () => {
    const keeper = await loginFrom('Keeper/1.0');
    for (let round = 0; round < 40; round += 1) {
      const token = await loginFrom(`Round/${round}`);
      const { id } = (await listed(keeper)).find(({ user_agent: agent }) => agent === `Round/${round}`)!;
      const [refreshed, ended] = await Promise.all([
        suite.gateway('/auth/refresh', { method: 'POST', token }),
        // Each of them is sometimes the first.
        delay(round % 8).then(() => end(id, keeper)),
      ]);
      expect(ended.status).toBe(204);
      const tokens = [token, ...(refreshed.status === 200 ? [refreshed.body.access_token as string] : [])];
      for (const one of tokens) {
        expect(await statusAtVenue(one)).toBe(401);
        expect((await suite.gateway('/auth/refresh', { method: 'POST', token: one })).status).toBe(401);
      }
    }
  }, 30_000);
});

describe('a registered client', () => {
  it('refreshes long after the expiry of its access token: the limit is for front ends without a refresh token', async () => {
    const suite = await Suite.open({
      AUTH0_CLIENT_ID: 'brief',
      AUTH0_CLIENT_SECRET: 'brief-local-secret',
      REFRESH_EXPIRED_LIMIT_SECONDS: '0',
    });
    const post = (form: Record<string, string>) =>
      suite.gateway('/oauth2/token', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({
          client_id: 'portal',
          client_secret: 'portal-secret-for-local-use',
          ...form,
        }).toString(),
      });
    const pair = (await post({ grant_type: 'password', ...ada })).body;
    await delay(2_500);
    const expired = await suite.venue('/venues', { token: pair.access_token });
    const answer = await post({ grant_type: 'refresh_token', refresh_token: pair.refresh_token });
    await suite.close();
    expect([expired.status, answer.status]).toEqual([401, 200]);
  });
});

describe('SESSION_SECRETS', () => {
  it('rotates without the end of a session: the first secret seals, all of them open', async () => {
    const redis = await RedisServer.start();
    const [former, next] = ['former-session-secret-0123456789-012', 'next-session-secret-0123456789-01234'];
    const identity = await ServiceProcess.start('identity');
    const issuer = `http://localhost:${identity.port}/`;
    const withSecrets = async <T>(secrets: string, work: (gatewayUrl: string) => Promise<T>): Promise<T> => {
      const shared = { REDIS_URL: redis.url, AUTH0_ISSUER_URL: issuer };
      const userToken = await ServiceProcess.start('user-token', { ...shared, SESSION_SECRETS: secrets });
      const url = `tcp://127.0.0.1:${userToken.port}`;
      const gateway = await ServiceProcess.start('gateway', { ...shared, USER_TOKEN_URL: url });
      return work(`http://localhost:${gateway.port}`).finally(() =>
        Promise.all([gateway.stop(), userToken.stop()]),
      );
    };
    const refresh = (gatewayUrl: string, token: string) =>
      fetch(`${gatewayUrl}/auth/refresh`, { method: 'POST', headers: { authorization: `Bearer ${token}` } });
    const tokenOf = async (response: Response) =>
      ((await response.json()) as { access_token: string }).access_token;

    const first = await withSecrets(former, async (url) => {
      const headers = { 'content-type': 'application/json' };
      return tokenOf(
        await fetch(`${url}/auth/login`, { method: 'POST', headers, body: JSON.stringify(ada) }),
      );
    });
    const second = await withSecrets(`${next},${former}`, async (url) => tokenOf(await refresh(url, first)));
    const third = await withSecrets(next, async (url) => tokenOf(await refresh(url, second)));
    const withoutIt = await withSecrets(former, (url) => refresh(url, third));
    expect(new Set([first, second, third]).size).toBe(3);
    expect(withoutIt.status).toBe(401);
    await identity.stop();
    await redis.stop();
  }, 200_000);
});

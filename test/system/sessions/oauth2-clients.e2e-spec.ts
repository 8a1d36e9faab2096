import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as openid from 'openid-client';
import { ResourceOwnerPassword } from 'simple-oauth2';
import { ada, Suite } from '@app/test-support/suite/suite';
import { until } from '@app/test-support/timing/until';

const run = promisify(execFile);
const kioskSecret = 'k:i+o s%k€';

describe('standard clients of the OAuth 2.0 façade', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open();
  });

  afterAll(() => suite.close());

  const statusAtVenue = async (token: string) => (await suite.venue('/venues', { token })).status;

  it('RFC 8414: openid-client discovers, grants, refreshes, introspects and revokes', async () => {
    const config = await openid.discovery(
      new URL(suite.gatewayUrl),
      'portal',
      undefined,
      openid.ClientSecretBasic('portal-secret-for-local-use'),
      { algorithm: 'oauth2', execute: [openid.allowInsecureRequests] },
    );
    const pair = await openid.genericGrantRequest(config, 'password', { ...ada, scope: 'read:venues' });
    expect(await statusAtVenue(pair.access_token)).toBe(200);
    const next = await openid.refreshTokenGrant(config, pair.refresh_token!);
    expect(await openid.tokenIntrospection(config, next.access_token)).toMatchObject({ active: true });
    await openid.tokenRevocation(config, next.refresh_token!);
    expect(await openid.tokenIntrospection(config, next.access_token)).toEqual({ active: false });
  });

  it('simple-oauth2 grants, refreshes and revokes', async () => {
    const client = new ResourceOwnerPassword({
      client: { id: 'portal', secret: 'portal-secret-for-local-use' },
      auth: { tokenHost: suite.gatewayUrl, tokenPath: '/oauth2/token', revokePath: '/oauth2/revoke' },
    });
    const pair = await client.getToken({ ...ada, scope: 'read:venues' });
    const next = await pair.refresh();
    expect(await statusAtVenue(next.token['access_token'] as string)).toBe(200);
    await next.revokeAll();
    expect(await statusAtVenue(next.token['access_token'] as string)).toBe(401);
  });

  it('curl -u works as it is', async () => {
    const url = (path: string) => `${suite.gatewayUrl}/oauth2/${path}`;
    const form = [
      '-d',
      'grant_type=password',
      '-d',
      `username=${ada.username}`,
      '-d',
      `password=${ada.password}`,
    ];
    const { stdout } = await run('curl', [
      '-s',
      '-u',
      'portal:portal-secret-for-local-use',
      ...form,
      url('token'),
    ]);
    const { access_token: token } = JSON.parse(stdout) as { access_token: string };
    const asked = await run('curl', [
      '-s',
      '-u',
      `kiosk:${kioskSecret}`,
      '-d',
      `token=${token}`,
      url('introspect'),
    ]);
    expect(JSON.parse(asked.stdout)).toMatchObject({ active: true, client_id: 'portal' });
  });
});

describe('OAUTH_INVALID_GRANT_STATUS=400', () => {
  it('answers a wrong password as RFC 6749 section 5.2 says, and a wrong client secret with 401 as before', async () => {
    const suite = await Suite.open({ OAUTH_INVALID_GRANT_STATUS: '400' });
    const post = (secret: string) =>
      suite.gateway('/oauth2/token', {
        method: 'POST',
        headers: {
          authorization: `Basic ${Buffer.from(`portal:${secret}`).toString('base64')}`,
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({
          grant_type: 'password',
          username: ada.username,
          password: 'x',
        }).toString(),
      });
    const [user, client] = [await post('portal-secret-for-local-use'), await post('x')];
    await suite.close();
    expect(user).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    expect(user.headers.get('www-authenticate')).toBeNull();
    expect(client).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  });
});

describe('the tokens of registered clients', () => {
  it('are in the answer only: not in Redis, not in a log line', async () => {
    const suite = await Suite.open();
    const headers = {
      authorization: `Basic ${Buffer.from('portal:portal-secret-for-local-use').toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    };
    const post = (path: string, form: Record<string, string>) =>
      suite.gateway(path, { method: 'POST', headers, body: new URLSearchParams(form).toString() });
    const { body: first } = await post('/oauth2/token', { grant_type: 'password', ...ada });
    expect((await suite.venue('/venues', { token: first.access_token })).status).toBe(200);
    const { refresh_token: refreshToken } = first;
    const { body: second } = await post('/oauth2/token', {
      grant_type: 'refresh_token',
      refresh_token: refreshToken,
    });
    await post('/oauth2/introspect', { token: second.access_token });
    const stored = JSON.stringify(await suite.own!.redis.dump());
    const logged = suite.logs.join('\n');
    await suite.close();
    expect(stored).toContain('issued:v2:');
    for (const pair of [first, second]) {
      for (const token of [pair.access_token, pair.refresh_token]) {
        expect(stored).not.toContain(token);
        expect(logged).not.toContain(token);
      }
    }
    expect(logged).not.toContain('portal-secret-for-local-use');
  });
});

describe('RFC 6749 section 2.3.1: guessing the secret of a client', () => {
  it('gets 429 after 20 wrong ones in a minute, and a client with the secret still passes', async () => {
    const suite = await Suite.open({ TRUSTED_PROXY_HOPS: '1' });
    const ask = (clientId: string, secret: string, from: string) =>
      suite.gateway('/oauth2/introspect', {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-forwarded-for': from },
        body: new URLSearchParams({ client_id: clientId, client_secret: secret, token: 'x' }).toString(),
      });
    const statuses = [];
    for (let i = 0; i < 25; i += 1) statuses.push((await ask('portal', `guess-${i}`, '203.0.113.1')).status);
    const limited = await ask('portal', 'portal-secret-for-local-us', '203.0.113.1');
    const right = await ask('portal', 'portal-secret-for-local-use', '203.0.113.1');
    const wrongAgain = await ask('portal', 'guess', '203.0.113.1');
    const elsewhere = await ask('portal', 'guess', '203.0.113.2');
    const another = await ask('kiosk', 'guess', '203.0.113.1');
    // The right secret of a disabled client is no better than a wrong one.
    const retired = [];
    for (let i = 0; i < 21; i += 1) {
      retired.push((await ask('retired', 'retired-secret', '203.0.113.1')).status);
    }
    await suite.close();
    expect(statuses).toEqual([...Array<number>(20).fill(401), ...Array<number>(5).fill(429)]);
    expect(limited).toMatchObject({ status: 429, body: { error: 'too_many_attempts' } });
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect([right, wrongAgain, elsewhere, another].map(({ status }) => status)).toEqual([200, 429, 401, 401]);
    expect(retired).toEqual([...Array<number>(20).fill(401), 429]);
  });
});

describe('clients in Redis', () => {
  it('show anonymous callers their scopes, and no cache may keep a failure', async () => {
    const suite = await Suite.open({ GATEWAY_CLIENTS: 'redis:' });
    const metadata = () => suite.gateway('/.well-known/oauth-authorization-server');
    const { redis } = suite.own!;
    // A gateway does not wait for Redis when it starts.
    await until(async () => (await metadata()).status === 200);
    const answers: Record<string, Awaited<ReturnType<typeof metadata>>> = {
      good: await metadata(),
      method: await suite.gateway('/.well-known/oauth-authorization-server', { method: 'POST' }),
      form: await suite.gateway('/oauth2/token'),
      client: await suite.gateway('/oauth2/token', {
        method: 'POST',
        body: new URLSearchParams({ client_id: 'acme', client_secret: 'x', grant_type: 'password' }),
      }),
      nowhere: await suite.gateway('/.well-known/nowhere'),
    };
    await redis.kill();
    // Data from a second ago is still valid.
    await until(async () => (await metadata()).status === 503, 10_000);
    answers['away'] = await metadata();
    await redis.restart();
    await suite.close();
    const seen = Object.entries(answers).map(([name, { status, headers }]) => [
      name,
      status,
      headers.get('cache-control'),
    ]);
    expect(seen).toEqual([
      ['good', 200, 'public, max-age=300'],
      ['method', 404, 'no-store'],
      ['form', 405, 'no-store'],
      ['client', 401, 'no-store'],
      ['nowhere', 404, 'no-store'],
      ['away', 503, 'no-store'],
    ]);
  });
});

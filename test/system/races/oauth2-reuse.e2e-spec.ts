import { setTimeout as delay } from 'node:timers/promises';
import { ada, Suite } from '@app/test-support/suite/suite';

describe.each([
  ['0', 'at once'],
  ['1', 'after a second'],
])('with OAUTH_REFRESH_REUSE_SECONDS=%s, a refresh token that is presented again %s', (seconds) => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open({ OAUTH_REFRESH_REUSE_SECONDS: seconds });
  });

  afterAll(() => suite.close());

  const post = (path: string, form: Record<string, string>) =>
    suite.gateway(`/oauth2/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        client_id: 'portal',
        client_secret: 'portal-secret-for-local-use',
        ...form,
      }).toString(),
    });
  const pairOf = async () => (await post('token', { grant_type: 'password', ...ada })).body;
  const tryRefresh = (token: string) => post('token', { grant_type: 'refresh_token', refresh_token: token });
  const statusAtVenue = async (token: string) => (await suite.venue('/venues', { token })).status;
  const windowToPass = () => delay(Number(seconds) * 1_100);

  it('ends the family', async () => {
    const first = await pairOf();
    const second = (await tryRefresh(first.refresh_token)).body;
    expect(await statusAtVenue(second.access_token)).toBe(200);
    await windowToPass();
    const reuse = await tryRefresh(first.refresh_token);
    expect(reuse).toMatchObject({ status: 401, body: { error: 'invalid_grant' } });
    expect(reuse.body.error_description).toContain('refreshed before');
    expect((await tryRefresh(second.refresh_token)).status).toBe(401);
    for (const pair of [first, second]) {
      expect(await statusAtVenue(pair.access_token)).toBe(401);
      expect((await post('introspect', { token: pair.access_token })).body).toEqual({ active: false });
    }
  });

  it('is refused, even after many newer ones within one second', async () => {
    const tokens = [(await pairOf()).refresh_token];
    for (let i = 0; i < 5; i += 1) tokens.push((await tryRefresh(tokens.at(-1))).body.refresh_token);
    await windowToPass();
    for (const token of tokens) expect((await tryRefresh(token)).status).toBe(401);
  });
});

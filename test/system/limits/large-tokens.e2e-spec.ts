import { UserTokenClient } from '@app/user-token-client';
import { asToken } from '@app/test-support/issuer/as-token';
import { ScriptedIssuer, type ScriptedAnswer } from '@app/test-support/issuer/scripted-issuer';
import { ada, Suite } from '@app/test-support/suite/suite';

/** Room for a token in a request: 16 KiB of header without the other parts. */
const LONGEST = 12_288;

describe('an access token with many permissions', () => {
  let issuer: ScriptedIssuer;
  let suite: Suite;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
    suite = await Suite.open({ AUTH0_ISSUER_URL: issuer.issuer });
  });

  beforeEach(() => {
    issuer.revoked.length = 0;
  });

  afterAll(async () => {
    await suite.close();
    await issuer.stop();
  });

  interface Grant {
    readonly access_token: string;
    readonly refresh_token: string;
  }
  const granted = (count: number, lastLength = 34) =>
    issuer.grant({
      permissions: Array.from({ length: count }, (_, i) =>
        i === 0 ? 'write:venues' : `permission:${i}:`.padEnd(i === count - 1 ? lastLength : 34, 'x'),
      ),
    });
  const grantOf = ({ body }: ScriptedAnswer) => body as Grant;
  /** A token of this length, or up to two characters less because of base64. */
  async function ofLength(length: number): Promise<ScriptedAnswer> {
    const [few, more] = [await granted(2), await granted(102)].map(
      (answer) => grantOf(answer).access_token.length,
    ) as [number, number];
    const perCharacter = 4 / 3;
    const count = 2 + Math.floor((length - 200 - few) / ((more - few) / 100));
    const nearly = grantOf(await granted(count)).access_token.length;
    return granted(count, 34 + Math.floor((length - nearly) / perCharacter));
  }
  const tryLogin = () => suite.tryLogin({ ...ada });
  const statusAtVenue = async (token: string) => (await suite.venue('/venues', { token })).status;

  it.each([170, 200])('works everywhere with %i of them', async (count) => {
    const [first, second] = [await granted(count), await granted(count)];
    const token = grantOf(first).access_token;
    expect(token.length).toBeGreaterThan(8_192);
    issuer.answers(first);
    expect(await tryLogin()).toMatchObject({ status: 200, body: { access_token: token } });
    for (let i = 0; i < 2; i += 1) expect(await statusAtVenue(token)).toBe(200);
    expect((await suite.gateway('/auth/me', { token })).body.permissions).toHaveLength(count);
    expect((await suite.gateway('/auth/sessions', { token })).status).toBe(200);
    issuer.answers(second);
    const next = (await suite.gateway('/auth/refresh', { method: 'POST', token })).body
      .access_token as string;
    expect(next).toBe(grantOf(second).access_token);
    expect((await suite.logout(next)).status).toBe(204);
    expect([await statusAtVenue(token), await statusAtVenue(next)]).toEqual([401, 401]);
  });

  it('works up to the length that a header has room for', async () => {
    const answer = await ofLength(LONGEST);
    const token = grantOf(answer).access_token;
    expect(token.length).toBeLessThanOrEqual(LONGEST);
    expect(token.length).toBeGreaterThan(LONGEST - 3);
    issuer.answers(answer);
    expect((await tryLogin()).status).toBe(200);
    const headers = { cookie: 'c'.repeat(3_000), 'user-agent': 'u'.repeat(300) };
    expect((await suite.venue('/venues', { token, headers })).status).toBe(200);
    const portal = { client_id: 'portal', client_secret: 'portal-secret-for-local-use' };
    const introspected = await suite.gateway('/oauth2/introspect', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ ...portal, token }).toString(),
    });
    expect(introspected.body).toMatchObject({ active: true });
    expect((await suite.logout(token)).status).toBe(204);
  });

  it('is verified together with others, even if many come at once', async () => {
    const tokens = await Promise.all(
      Array.from({ length: 30 }, async () => grantOf(await ofLength(LONGEST)).access_token),
    );
    const client = new UserTokenClient({ urls: suite.own!.running.userTokenUrl });
    const verdicts = await Promise.all(
      tokens.map((accessToken) => client.verify({ accessToken: asToken(accessToken) })),
    );
    expect(verdicts.map(({ active }) => active)).toEqual(tokens.map(() => true));
    client.close();
  });

  it('is not given out if it is longer: the log names the reason, and its grant is revoked', async () => {
    const answer = await ofLength(LONGEST + 6);
    const { access_token: token, refresh_token: refreshToken } = grantOf(answer);
    issuer.answers(answer);
    const refused = await tryLogin();
    expect(refused).toMatchObject({ status: 503, body: { error: 'temporarily_unavailable' } });
    expect(refused.headers.get('retry-after')).toBe('60');
    expect(issuer.revoked).toEqual([refreshToken]);
    expect(suite.logs.join('')).toContain(
      `the access token that was granted has ${token.length} characters, and services take ${LONGEST} at the most`,
    );
    expect(await statusAtVenue(token)).toBe(401);
  });

  it('ends its session if a refresh makes it too long, and its grant is revoked', async () => {
    const [first, second] = [await granted(10), await ofLength(LONGEST + 6)];
    issuer.answers(first);
    const token = (await tryLogin()).body.access_token as string;
    issuer.answers(second);
    const refused = await suite.gateway('/auth/refresh', { method: 'POST', token });
    expect(refused).toMatchObject({ status: 401, body: { error: 'invalid_grant' } });
    expect(issuer.revoked).toEqual([grantOf(second).refresh_token]);
    expect(await statusAtVenue(token)).toBe(401);
    const { length } = grantOf(second).access_token;
    expect(suite.logs.join('')).toContain(`has ${length} characters`);
  });
});

import { ScriptedIssuer } from '../../support/scripted-issuer.js';
import { ada, Suite } from '../../support/suite.js';

const CLOCK_TOLERANCE_SECONDS = 2;

describe('an issuer whose clock is not ours', () => {
  let issuer: ScriptedIssuer;
  let suite: Suite;

  beforeAll(async () => {
    issuer = await ScriptedIssuer.start();
    suite = await Suite.open({
      AUTH0_ISSUER_URL: issuer.issuer,
      CLOCK_TOLERANCE_SECONDS: String(CLOCK_TOLERANCE_SECONDS),
    });
  });

  afterAll(async () => {
    await suite.close();
    await issuer.stop();
  });

  beforeEach(() => {
    issuer.asked.length = 0;
    issuer.revoked.length = 0;
  });

  /** Another user for each test: what is revoked of one stays revoked. */
  const isAheadBy = (seconds: number, sub: string) =>
    issuer.answers(() => issuer.grant({ sub, iat: Math.floor(Date.now() / 1000) + seconds }));
  const logoutAll = (token: string) => suite.gateway('/auth/logout-all', { method: 'POST', token });
  const statusAtVenue = async (token: string) => (await suite.venue('/venues', { token })).status;

  it.each([0, 1, CLOCK_TOLERANCE_SECONDS])(
    'ahead by %i s: a log-out everywhere ends all tokens of before',
    async (seconds) => {
      isAheadBy(seconds, `auth0|ended-${seconds}`);
      const [here, elsewhere] = [await suite.login(ada), await suite.login(ada)];
      expect(await statusAtVenue(elsewhere)).toBe(200);
      expect((await logoutAll(here)).status).toBe(204);
      expect([await statusAtVenue(here), await statusAtVenue(elsewhere)]).toEqual([401, 401]);
      const refreshed = await suite.gateway('/auth/refresh', { method: 'POST', token: elsewhere });
      expect(refreshed.status).toBe(401);
    },
  );

  it.each([
    ['ahead', 1],
    ['behind', -1],
  ])(
    '%s: a log-in right after waits until its token is one of after, and keeps nothing of the one before',
    async (_title, seconds) => {
      isAheadBy(seconds, `auth0|again-${seconds}`);
      expect((await logoutAll(await suite.login(ada))).status).toBe(204);
      issuer.asked.length = 0;
      issuer.revoked.length = 0;
      const token = await suite.login(ada);
      expect(await statusAtVenue(token)).toBe(200);
      expect(await statusAtVenue(await suite.refresh(token))).toBe(200);
      expect(issuer.asked.map((form) => form.get('grant_type'))).toEqual([
        expect.stringContaining('password'),
        expect.stringContaining('password'),
        'refresh_token',
      ]);
      expect(issuer.revoked).toHaveLength(1);
    },
  );

  it('behind by more than can be waited for: a log-in right after is answered 503, and when to come again', async () => {
    isAheadBy(-30, 'auth0|late');
    expect((await logoutAll(await suite.login(ada))).status).toBe(204);
    issuer.asked.length = 0;
    const answer = await suite.tryLogin({ ...ada });
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(30 + CLOCK_TOLERANCE_SECONDS);
    expect(issuer.asked).toHaveLength(1);
    expect(issuer.revoked).toHaveLength(2);
  });
});

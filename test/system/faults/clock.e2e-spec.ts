import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import { ada, Suite } from '@app/test-support/suite/suite';

const CLOCK_TOLERANCE_SECONDS = 2;

describe('an issuer with another clock', () => {
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

  /** Each test has its own user, because revocations stay. */
  const isAheadBy = (seconds: number, sub: string) =>
    issuer.answers(() => issuer.grant({ sub, iat: Math.floor(Date.now() / 1000) + seconds }));
  const logoutAll = (token: string) => suite.gateway('/auth/logout-all', { method: 'POST', token });
  const statusAtVenue = async (token: string) => (await suite.venue('/venues', { token })).status;

  it.each([0, 1, CLOCK_TOLERANCE_SECONDS])(
    'ahead by %i s: a log-out everywhere ends all earlier tokens',
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
    ['half a minute behind', -30],
  ])(
    '%s: a log-in right after passes at once, and a token that may be older is not kept',
    async (_title, seconds) => {
      const sub = `auth0|again-${seconds}`;
      isAheadBy(seconds, sub);
      const [ended, elsewhere] = [await suite.login(ada), await suite.login(ada)];
      expect((await logoutAll(ended)).status).toBe(204);
      issuer.asked.length = 0;
      issuer.revoked.length = 0;
      const token = await suite.login(ada);
      expect(await statusAtVenue(token)).toBe(200);
      const refreshed = await suite.refresh(token);
      expect(await statusAtVenue(refreshed)).toBe(200);
      expect(issuer.asked.map((form) => form.get('grant_type'))).toEqual([
        expect.stringContaining('password'),
        expect.stringContaining('password'),
        'refresh_token',
      ]);
      expect(issuer.revoked).toHaveLength(1);
      expect([await statusAtVenue(ended), await statusAtVenue(elsewhere)]).toEqual([401, 401]);
      expect((await logoutAll(refreshed)).status).toBe(204);
      expect([await statusAtVenue(token), await statusAtVenue(refreshed)]).toEqual([401, 401]);
    },
  );
});

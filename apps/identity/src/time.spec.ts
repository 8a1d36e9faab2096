/** What expires, expires by identity's clock: no spec here waits for it. */
import { createLocalJWKSet, decodeJwt, errors, jwtVerify, type JSONWebKeySet } from 'jose';
import { IdentityUnderTest } from '@app/test-support/issuer/identity-under-test';
import { MovableClock } from '@app/test-support/timing/movable-clock';

const SUITE = { client_id: 'venue-suite', client_secret: 'venue-suite-local-secret' };
const ADA = { username: 'ada@example.com', password: 'analytical-engine-1843' };
const API = 'https://api.venue.example/';
const HOUR = 3_600;
const DAY = 24 * HOUR;

describe('time at identity', () => {
  let clock: MovableClock;
  let identity: IdentityUnderTest;

  beforeEach(async () => {
    clock = new MovableClock();
    identity = await IdentityUnderTest.start(SUITE, { clock });
  });

  afterEach(async () => {
    await identity.stop();
  });

  const logIn = async (parameters: Record<string, string> = {}) =>
    (await identity.token({ grant_type: 'password', ...ADA, ...parameters })).body;
  const secondsOf = (jwt: string) => {
    const { iat, exp } = decodeJwt(jwt);
    return { iat: iat! - Math.floor(clock.nowMs() / 1000), lifetime: exp! - iat! };
  };
  const justNow = { iat: expect.closeTo(0, -2) };

  it('passes for a JWT', async () => {
    const { access_token: jwt } = await logIn({ audience: API, scope: 'openid' });
    const keys = createLocalJWKSet((await identity.send('.well-known/jwks.json')).body as JSONWebKeySet);
    const verify = () => jwtVerify(jwt, keys, { currentDate: new Date(clock.nowMs()) });
    clock.moveSeconds(HOUR - 60);
    await verify();
    expect((await identity.userinfo(jwt)).status).toBe(200);
    clock.moveSeconds(61);
    await expect(verify()).rejects.toThrow(errors.JWTExpired);
    const refused = await identity.userinfo(jwt);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('The token has expired');
  });

  it('passes for an opaque access token', async () => {
    const { access_token: opaque } = await logIn({ scope: 'openid' });
    clock.moveSeconds(DAY - 60);
    expect((await identity.userinfo(opaque)).status).toBe(200);
    clock.moveSeconds(61);
    expect((await identity.userinfo(opaque)).status).toBe(401);
  });

  it('passes for a refresh token, and rotation gives it no longer life', async () => {
    const scope = 'openid offline_access';
    const first = (await logIn({ audience: API, scope })).refresh_token as string;
    const unused = (await logIn({ audience: API, scope })).refresh_token as string;
    clock.moveSeconds(20 * DAY);
    const rotated = await identity.refresh(first);
    expect(rotated.status).toBe(200);
    clock.moveSeconds(10 * DAY - 60);
    const last = await identity.refresh(rotated.body.refresh_token);
    expect(last.status).toBe(200);
    clock.moveSeconds(61);
    for (const token of [unused, last.body.refresh_token]) {
      expect(await identity.refresh(token)).toMatchObject({ status: 403, body: { error: 'invalid_grant' } });
    }
  });

  it.each([
    ['ahead', 400 * DAY],
    ['behind', -400 * DAY],
  ])('is in tokens, by a clock that is %s', async (_title, seconds) => {
    clock.moveSeconds(seconds);
    const scope = 'openid email offline_access read:venues';
    const first = await logIn({ audience: API, scope });
    const own = await identity.token({ grant_type: 'client_credentials', audience: API });
    const refreshed = await identity.refresh(first.refresh_token);
    expect(refreshed.status).toBe(200);
    for (const jwt of [first.access_token, own.body.access_token, refreshed.body.access_token]) {
      expect(secondsOf(jwt)).toEqual({ ...justNow, lifetime: HOUR });
    }
    expect((await identity.userinfo(refreshed.body.access_token)).status).toBe(200);
    const { access_token: opaque } = await logIn({ scope: 'openid' });
    expect((await identity.userinfo(opaque)).status).toBe(200);
  });

  it('is in an ID token: its end always, its start at the log-in', async () => {
    clock.moveSeconds(400 * DAY);
    const first = await logIn({ audience: API, scope: 'openid offline_access' });
    expect(secondsOf(first.id_token)).toEqual({ ...justNow, lifetime: 10 * HOUR });
    const { exp } = decodeJwt((await identity.refresh(first.refresh_token)).body.id_token);
    expect(exp! - clock.nowMs() / 1000).toBeCloseTo(10 * HOUR, -2);
  });
});

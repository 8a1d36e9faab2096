import { decodeJwt } from 'jose';
import { IdentityUnderTest } from '@app/test-support/issuer/identity-under-test';
import { ADA as OWN_ADA, APP, ownSeed } from '@app/test-support/issuer/own-seed';
import { MovableClock } from '@app/test-support/timing/movable-clock';

const SUITE = { client_id: 'venue-suite', client_secret: 'venue-suite-local-secret' };
const ADA = { username: 'ada@example.com', password: 'analytical-engine-1843' };
const GRACE = { username: 'grace@example.com', password: 'nanosecond-11.8-inches' };
const API = 'https://api.venue.example/';
const ALL_SCOPES = 'openid profile email offline_access read:venues write:venues';
const UNKNOWN = {
  status: 403,
  body: { error: 'invalid_grant', error_description: 'Unknown or invalid refresh token.' },
};

describe('a refresh token', () => {
  let identity: IdentityUnderTest;

  beforeAll(async () => {
    identity = await IdentityUnderTest.start(SUITE);
  });

  afterAll(async () => {
    await identity.stop();
  });

  const logIn = async (user = ADA): Promise<string> => {
    const request = { grant_type: 'password', ...user, audience: API, scope: ALL_SCOPES };
    return (await identity.token(request)).body.refresh_token;
  };

  it('rotates: the old one counts as reuse, and ends the family', async () => {
    const first = await logIn();
    const second = (await identity.refresh(first)).body.refresh_token;
    expect(second).not.toBe(first);
    expect(await identity.refresh(first)).toMatchObject(UNKNOWN);
    expect(await identity.refresh(second)).toMatchObject(UNKNOWN);
  });

  it('is accepted once of fifty times at once', async () => {
    const token = await logIn();
    const answers = await Promise.all(Array.from({ length: 50 }, () => identity.refresh(token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('keeps the audience, and narrows but never widens the scope', async () => {
    const narrowed = await identity.refresh(await logIn(), { scope: 'openid read:venues' });
    expect(decodeJwt(narrowed.body.access_token)).toMatchObject({
      aud: [API, `${identity.issuer}userinfo`],
      scope: 'openid read:venues',
    });
    const widened = await identity.refresh(await logIn(GRACE), { scope: 'openid write:venues' });
    expect(widened).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
  });

  it('of another client is refused', async () => {
    const other = { client_id: 'brief', client_secret: 'brief-local-secret' };
    expect(await identity.refresh(await logIn(), other)).toMatchObject(UNKNOWN);
  });

  it('is refused after its revocation, which reveals nothing about a token', async () => {
    const token = await logIn();
    for (const value of [token, token, 'never-issued']) {
      const body = new URLSearchParams({ ...SUITE, token: value });
      const revoked = await identity.send('oauth/revoke', { method: 'POST', body });
      expect(revoked).toMatchObject({ status: 200, text: '' });
    }
    expect(await identity.refresh(token)).toMatchObject(UNKNOWN);
  });
});

describe('the leeway of a refresh token', () => {
  let clock: MovableClock;
  let identity: IdentityUnderTest;

  beforeAll(async () => {
    clock = new MovableClock();
    identity = await IdentityUnderTest.start(APP, { seed: ownSeed, clock });
  });

  afterAll(async () => {
    await identity.stop();
  });

  const logIn = async (): Promise<string> => {
    const request = { grant_type: 'password', ...OWN_ADA, scope: 'openid offline_access' };
    return (await identity.token(request)).body.refresh_token;
  };

  it('allows the last rotated token once more', async () => {
    const old = await logIn();
    const next = (await identity.refresh(old)).body.refresh_token;
    expect((await identity.refresh(old)).status).toBe(200);
    expect((await identity.refresh(next)).status).toBe(200);
  });

  it('ends the family after an older one', async () => {
    const old = await logIn();
    const second = (await identity.refresh(old)).body.refresh_token;
    const third = (await identity.refresh(second)).body.refresh_token;
    expect(await identity.refresh(old)).toMatchObject(UNKNOWN);
    expect(await identity.refresh(third)).toMatchObject(UNKNOWN);
  });

  it('ends', async () => {
    const old = await logIn();
    expect((await identity.refresh(old)).status).toBe(200);
    clock.moveSeconds(60);
    expect(await identity.refresh(old)).toMatchObject(UNKNOWN);
  });
});

import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose';
import { IdentityUnderTest } from '@app/test-support/issuer/identity-under-test';
import {
  API as OWN_API,
  ADA as OWN_ADA,
  APP,
  ownSeed,
  PASSWORD,
  PROXY,
} from '@app/test-support/issuer/own-seed';

const SUITE = { client_id: 'venue-suite', client_secret: 'venue-suite-local-secret' };
const ADA = { username: 'ada@example.com', password: 'analytical-engine-1843' };
const GRACE = { username: 'grace@example.com', password: 'nanosecond-11.8-inches' };
const MALLORY = { username: 'mallory@example.com', password: 'blocked-for-good-0' };
const API = 'https://api.venue.example/';
const PASSWORD_REALM = 'http://auth0.com/oauth/grant-type/password-realm';
const ALL_SCOPES = 'openid profile email offline_access read:venues write:venues';

describe('the password grant with the local seed', () => {
  let identity: IdentityUnderTest;

  beforeAll(async () => {
    identity = await IdentityUnderTest.start(SUITE);
  });

  afterAll(async () => {
    await identity.stop();
  });

  const logIn = (parameters: Record<string, string>) =>
    identity.token({ grant_type: 'password', ...ADA, ...parameters });

  async function claimsOf(jwt: string) {
    const { body } = await identity.send('.well-known/jwks.json');
    const keys = createLocalJWKSet(body as JSONWebKeySet);
    return (await jwtVerify(jwt, keys, { issuer: identity.issuer })).payload;
  }

  it('issues an RS256 access token for an API, in the form of Auth0', async () => {
    const { status, headers, body } = await logIn({ audience: API, scope: ALL_SCOPES });
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('pragma')).toBe('no-cache');
    expect(body).toMatchObject({
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: expect.any(String),
    });
    expect(decodeProtectedHeader(body.access_token)).toEqual({
      alg: 'RS256',
      typ: 'JWT',
      kid: expect.any(String),
    });
    expect(await claimsOf(body.access_token)).toMatchObject({
      sub: 'auth0|ada',
      aud: [API, `${identity.issuer}userinfo`],
      azp: 'venue-suite',
      scope: ALL_SCOPES,
      gty: 'password',
      permissions: ['read:venues', 'write:venues'],
      jti: expect.any(String),
    });
    expect(await claimsOf(body.id_token)).toMatchObject({
      sub: 'auth0|ada',
      aud: 'venue-suite',
      email: ADA.username,
    });
  });

  it('grants only scopes that the user may have, and names them', async () => {
    const { body } = await logIn({ ...GRACE, audience: API, scope: 'openid read:venues write:venues' });
    expect(body.scope).toBe('openid read:venues');
    expect(await claimsOf(body.access_token)).toMatchObject({ permissions: ['read:venues'] });
    expect(body.refresh_token).toBeUndefined();
  });

  it('grants all API scopes of the user when none is requested', async () => {
    expect((await logIn({ audience: API })).body.scope).toBe('read:venues write:venues');
  });

  it('issues an opaque token without an audience', async () => {
    const { body } = await logIn({ scope: 'openid email' });
    expect(body.access_token).not.toContain('.');
    expect((await identity.userinfo(body.access_token)).body).toEqual({
      sub: 'auth0|ada',
      email: ADA.username,
      email_verified: true,
    });
  });

  it('accepts the name of a connection', async () => {
    const realm = 'Username-Password-Authentication';
    expect((await logIn({ grant_type: PASSWORD_REALM, realm })).status).toBe(200);
    expect(await logIn({ grant_type: PASSWORD_REALM, realm: 'nowhere' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', error_description: 'the connection was not found' },
    });
  });

  it('gives the client brief tokens of two seconds', async () => {
    const brief = { client_id: 'brief', client_secret: 'brief-local-secret' };
    expect((await logIn({ ...brief, audience: API })).body.expires_in).toBe(2);
  });

  it.each<[string, Record<string, string>, number, string, string]>([
    ['a wrong password', { password: 'x' }, 403, 'invalid_grant', 'Wrong email or password.'],
    ['an unknown user', { username: 'x@example.com' }, 403, 'invalid_grant', 'Wrong email or password.'],
    [
      'a blocked user with the wrong password',
      { ...MALLORY, password: 'x' },
      403,
      'invalid_grant',
      'Wrong email or password.',
    ],
    ['a blocked user', MALLORY, 403, 'unauthorized', 'user is blocked'],
    ['a wrong client secret', { client_secret: 'x' }, 401, 'access_denied', 'Unauthorized'],
    ['an unknown client', { client_id: 'x' }, 401, 'access_denied', 'Unauthorized'],
    [
      'an unknown audience',
      { audience: 'https://x/' },
      403,
      'access_denied',
      'Service not enabled within domain: https://x/',
    ],
  ])('refuses %s as Auth0 does', async (_title, parameters, status, error, description) => {
    const answer = await logIn(parameters);
    expect(answer).toMatchObject({ status, body: { error, error_description: description } });
    expect(answer.headers.get('cache-control')).toBe('no-store');
  });
});

describe('the password grant with a seed of its own', () => {
  let identity: IdentityUnderTest;

  beforeAll(async () => {
    identity = await IdentityUnderTest.start(APP, { seed: ownSeed });
  });

  afterAll(async () => {
    await identity.stop();
  });

  const logIn = (parameters: Record<string, string> = {}, headers: Record<string, string> = {}) =>
    identity.token({ grant_type: 'password', ...OWN_ADA, ...parameters }, headers);

  it.each([
    ['cut at the end', PASSWORD.trimEnd()],
    ['decomposed', PASSWORD.normalize('NFD')],
    ['decoded twice', PASSWORD.replace('%41', 'A')],
  ])('takes the password byte for byte, not %s', async (_, password) => {
    expect((await logIn()).status).toBe(200);
    expect((await logIn({ password })).status).toBe(403);
  });

  it('signs in the form of RFC 9068 for an API that wants it', async () => {
    const { body } = await logIn({ audience: OWN_API, scope: 'read' });
    expect(decodeProtectedHeader(body.access_token)).toMatchObject({ alg: 'RS256', typ: 'at+jwt' });
    const claims = decodeJwt(body.access_token);
    expect(claims).toMatchObject({
      iss: identity.issuer,
      aud: OWN_API,
      client_id: 'app',
      jti: expect.any(String),
    });
    expect(claims).not.toHaveProperty('azp');
  });

  it('issues no refresh token for an API that does not allow offline access', async () => {
    const { body } = await logIn({ audience: 'https://online.example/', scope: 'read offline_access' });
    expect(body).toMatchObject({ scope: 'read' });
    expect(body).not.toHaveProperty('refresh_token');
  });

  it("logs the end user's address from a trusted client, and from no other client", async () => {
    const forwarded = { 'auth0-forwarded-for': '203.0.113.7' };
    const peer = expect.stringMatching(/127\.0\.0\.1|::1/);
    identity.lines.length = 0;
    await logIn(PROXY, forwarded);
    await logIn(PROXY, { 'auth0-forwarded-for': 'nonsense, 203.0.113.7' });
    await logIn({ password: 'wrong' }, { ...forwarded, 'x-forwarded-for': '203.0.113.8' });
    const attempts = identity.lines
      .map((line) => JSON.parse(line))
      .filter(({ clientId }) => clientId !== undefined)
      .map(({ msg, clientId, userId, address }) => ({ msg, clientId, userId, address }));
    expect(attempts).toEqual([
      { msg: 'password grant: sepft', clientId: 'proxy', userId: 'auth0|ada', address: '203.0.113.7' },
      { msg: 'password grant: sepft', clientId: 'proxy', userId: 'auth0|ada', address: peer },
      { msg: 'password grant: fepft', clientId: 'app', userId: undefined, address: peer },
    ]);
    expect(identity.lines.join()).not.toContain(PASSWORD.slice(0, 6));
  });
});

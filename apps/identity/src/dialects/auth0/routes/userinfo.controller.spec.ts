import { decodeJwt } from 'jose';
import { IdentityUnderTest } from '@app/test-support/issuer/identity-under-test';
import { ADA, API, APP, ownSeed } from '@app/test-support/issuer/own-seed';

describe('/userinfo', () => {
  let identity: IdentityUnderTest;

  beforeAll(async () => {
    identity = await IdentityUnderTest.start(APP, { seed: ownSeed });
  });

  afterAll(async () => {
    await identity.stop();
  });

  const logIn = async (parameters: Record<string, string>) =>
    (await identity.token({ grant_type: 'password', ...ADA, ...parameters })).body;
  const ask = (authorization: string, method = 'GET') =>
    identity.send('userinfo', { method, headers: { authorization } });

  it('accepts a JWT issued with openid, by GET and POST', async () => {
    const { access_token: token } = await logIn({ audience: API, scope: 'openid email' });
    for (const method of ['GET', 'POST']) {
      expect((await ask(`Bearer ${token}`, method)).body).toEqual({
        sub: 'auth0|ada',
        email: 'Ada@example.com',
        email_verified: false,
      });
    }
  });

  it('refuses a JWT for only an API, an ID token and a tampered one', async () => {
    const forApi = await logIn({ audience: API, scope: 'read' });
    const withId = await logIn({ audience: API, scope: 'openid' });
    const [header, payload, signature] = (withId.access_token as string).split('.');
    const forged = Buffer.from(JSON.stringify({ ...decodeJwt(withId.access_token), sub: 'auth0|eve' }));
    for (const jwt of [
      forApi.access_token,
      withId.id_token,
      `${header}.${forged.toString('base64url')}.${signature}`,
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`,
    ]) {
      const answer = await ask(`Bearer ${jwt}`);
      expect(answer).toMatchObject({ status: 401, text: 'Unauthorized' });
      expect(answer.headers.get('www-authenticate')).toBe(
        'Bearer realm="Users", error="invalid_token", error_description="The access token is not valid here"',
      );
    }
  });

  it('refuses an opaque token without openid, or one that is unknown', async () => {
    const { access_token: token } = await logIn({ scope: 'email' });
    for (const [value, reason] of [
      [token, 'The token lacks the scope openid'],
      ['never-issued', 'The access token is unknown or has expired'],
    ]) {
      const answer = await ask(`Bearer ${value}`);
      expect(answer).toMatchObject({ status: 401, text: 'Unauthorized' });
      expect(answer.headers.get('www-authenticate')).toBe(
        `Bearer realm="Users", error="invalid_token", error_description="${reason}"`,
      );
    }
  });

  it('gives no reason to a request without a token', async () => {
    const answer = await ask('Basic YTpi');
    expect(answer).toMatchObject({ status: 401, text: 'Unauthorized' });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="Users"');
  });
});

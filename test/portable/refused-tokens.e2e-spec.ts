import { createHmac } from 'node:crypto';
import { exportSPKI, importJWK, type CryptoKey, type JWK } from 'jose';
import { mintToken, newKey } from '@app/test-support/issuer/mint-token';
import { rawRequest } from '@app/test-support/network/raw-http';
import { ada, Suite } from '@app/test-support/suite/suite';
import { until } from '@app/test-support/timing/until';

const AUDIENCE = 'https://api.venue.example/';

describe('a token that is invalid at venue', () => {
  let suite: Suite;
  let good: string;

  beforeAll(async () => {
    suite = await Suite.open();
    good = await suite.login(ada);
    expect((await suite.venue('/venues', { token: good })).status).toBe(200);
  });

  afterAll(async () => {
    await suite.close();
  });

  const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

  it.each<[string, () => string | Promise<string>]>([
    ['made up', () => 'there-is-no-such-opaque-token'],
    [
      'tampered with',
      () => {
        const [header, , signature] = good.split('.');
        return `${header}.${encode({ ...claimsOf(good), permissions: ['root'] })}.${signature}`;
      },
    ],
    [
      "signed by a stranger in our issuer's name",
      async () => {
        const key = await newKey(JSON.parse(Buffer.from(good.split('.')[0]!, 'base64url').toString()).kid);
        return mintToken(key, { claims: claimsOf(good) });
      },
    ],
    ['of another issuer', async () => mintToken(await newKey(), { claims: { aud: AUDIENCE } })],
    [
      'for another audience',
      async () =>
        (await suite.tokensFromIssuer({ audience: 'https://other.example/', scope: 'openid read:other' }))
          .access_token,
    ],
    [
      'an ID token',
      async () => (await suite.tokensFromIssuer({ audience: AUDIENCE, scope: 'openid' })).id_token,
    ],
    [
      'a refresh token',
      async () =>
        (await suite.tokensFromIssuer({ audience: AUDIENCE, scope: 'openid offline_access' })).refresh_token,
    ],
    [
      'opaque, for userinfo only',
      async () => (await suite.tokensFromIssuer({ scope: 'openid' })).access_token,
    ],
    ['alg none', () => `${encode({ alg: 'none', typ: 'JWT' })}.${good.split('.')[1]}.`],
    ['alg none with a signature', () => `${encode({ alg: 'none', typ: 'JWT' })}.${good.split('.')[1]}.AAAA`],
    [
      'HS256 over our public key',
      async () => {
        const { keys } = (await (await fetch(`${suite.issuer}.well-known/jwks.json`)).json()) as {
          keys: JWK[];
        };
        const pem = await exportSPKI((await importJWK(keys[0]!, 'RS256')) as CryptoKey);
        const signed = `${encode({ alg: 'HS256', typ: 'JWT', kid: keys[0]!.kid })}.${good.split('.')[1]}`;
        return `${signed}.${createHmac('sha256', pem).update(signed).digest('base64url')}`;
      },
    ],
    [
      'another spelling of a good one',
      () => {
        const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
        return good.slice(0, -1) + alphabet[alphabet.indexOf(good.at(-1)!) ^ 1];
      },
    ],
    ['a good one with padding', () => `${good}==`],
    ['the first half of a good one', () => good.slice(0, good.length / 2)],
  ])('because it is %s gets 401 invalid_token', async (_title, make) => {
    const token = await make();
    for (let i = 0; i < 2; i += 1) {
      const answer = await suite.venue('/venues', { token });
      expect(answer.status).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="venue", error="invalid_token"/);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
    }
  });

  it('because it has expired gets 401, even if venue knows it', async () => {
    const brief = { client_id: 'brief', client_secret: 'brief-local-secret' };
    const isOver = (token: string) => Date.now() >= claimsOf(token).exp * 1000;
    let token: string;
    let status: number;
    // It lives for at most two seconds. On a busy machine it may reach venue too late.
    do {
      const tokens = await suite.tokensFromIssuer({ ...brief, audience: AUDIENCE, scope: 'read:venues' });
      token = tokens.access_token;
      ({ status } = await suite.venue('/venues', { token }));
    } while (status === 401 && isOver(token));
    expect(status).toBe(200);
    await until(() => isOver(token));
    // The clock of user-token decides about its end, and venue knows that clock to a few milliseconds.
    await until(async () => (await suite.venue('/venues', { token })).status === 401);
  });

  it.each<[string, () => string[], number]>([
    ['is missing', () => [], 401],
    ['comes twice', () => ['Authorization', `Bearer ${good}`, 'Authorization', `Bearer ${good}`], 400],
    [
      'comes second, after a bad one',
      () => ['Authorization', 'Bearer bad', 'authorization', `Bearer ${good}`],
      400,
    ],
    ['comes with a tail', () => ['Authorization', `Bearer ${good} x`], 400],
    ['comes as Basic', () => ['Authorization', `Basic ${good}`], 401],
    ['comes as a cookie', () => ['Cookie', `access_token=${good}`], 401],
  ])('because it %s is refused with a challenge', async (_title, headers, status) => {
    const answer = await rawRequest(`${suite.venueUrl}/venues`, { headers: headers() });
    expect(answer.status).toBe(status);
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer realm="venue"/);
  });

  it('because it is in the query gets 401', async () => {
    expect((await suite.venue(`/venues?access_token=${good}`)).status).toBe(401);
  });
});

import { createHmac } from 'node:crypto';
import { jest } from '@jest/globals';
import { createLocalJWKSet, exportSPKI, importJWK } from 'jose';
import {
  mintToken,
  newKey,
  TEST_AUDIENCE,
  TEST_ISSUER,
  type MintOverrides,
  type TestKey,
} from '../../../../test/support/mint-token.js';
import { JwksTokenCheck } from './jwks-token-check.js';

const NOW_SECONDS = 1_790_000_000;
const OPTIONS = { issuer: TEST_ISSUER, audience: [TEST_AUDIENCE], clockToleranceSeconds: 5, claims: ['gty'] };

describe('JwksTokenCheck', () => {
  let key: TestKey;
  let check: JwksTokenCheck;

  beforeAll(async () => {
    key = await newKey();
    check = new JwksTokenCheck(OPTIONS, createLocalJWKSet({ keys: [key.jwk] }));
  });

  beforeEach(() => {
    jest.useFakeTimers({
      now: NOW_SECONDS * 1000,
      doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'],
    });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('makes a principal of a token of ours', async () => {
    expect(await check.check(await mintToken(key))).toEqual({
      active: true,
      principal: {
        subject: 'auth0|ada',
        clientId: 'venue-suite',
        scopes: ['openid', 'read:venues'],
        permissions: ['read:venues', 'write:venues'],
        issuer: TEST_ISSUER,
        audience: [TEST_AUDIENCE, `${TEST_ISSUER}userinfo`],
        issuedAtSeconds: NOW_SECONDS,
        expiresAtSeconds: NOW_SECONDS + 3600,
        claims: { gty: 'password' },
      },
    });
  });

  it.each<[string, MintOverrides]>([
    ["RFC 9068's profile", { header: { typ: 'at+jwt' }, claims: { client_id: 'c', azp: undefined } }],
    ['a type spelled as a media type', { header: { typ: 'application/AT+JWT' } }],
    ['no type', { header: { typ: undefined } }],
    ['a single audience', { claims: { aud: TEST_AUDIENCE } }],
    ['neither scope nor permissions', { claims: { scope: undefined, permissions: undefined } }],
    ['an expiry one second ahead', { claims: { exp: NOW_SECONDS + 1 } }],
    ['a not-before within the tolerance', { claims: { nbf: NOW_SECONDS + 5 } }],
    ['an issuer whose clock is ahead within the tolerance', { claims: { iat: NOW_SECONDS + 5 } }],
  ])('accepts %s', async (_title, overrides) => {
    expect(await check.check(await mintToken(key, overrides))).toMatchObject({ active: true });
  });

  it.each<[string, MintOverrides, string]>([
    ['a token that expires this second', { claims: { exp: NOW_SECONDS } }, 'expired'],
    ['a token without exp', { claims: { exp: undefined } }, 'invalid'],
    ['an exp that is text', { claims: { exp: String(NOW_SECONDS + 60) } }, 'invalid'],
    ['an exp beyond all time', { claims: { exp: 1e308 } }, 'invalid'],
    ['a negative exp', { claims: { exp: -1 } }, 'expired'],
    ['a not-before beyond the tolerance', { claims: { nbf: NOW_SECONDS + 6 } }, 'not_yet_valid'],
    ['a token issued in the future', { claims: { iat: NOW_SECONDS + 6 } }, 'not_yet_valid'],
    ['a token without iat', { claims: { iat: undefined } }, 'invalid'],
    ['another issuer', { claims: { iss: 'https://issuer.other/' } }, 'wrong_issuer'],
    ['our issuer without its slash', { claims: { iss: 'https://issuer.test' } }, 'wrong_issuer'],
    ['our issuer over http', { claims: { iss: 'http://issuer.test/' } }, 'wrong_issuer'],
    ['a list of issuers', { claims: { iss: [TEST_ISSUER] } }, 'wrong_issuer'],
    ['another audience', { claims: { aud: 'https://other.test/' } }, 'wrong_audience'],
    ['an audience that only begins like ours', { claims: { aud: `${TEST_AUDIENCE}2` } }, 'wrong_audience'],
    ['no audience', { claims: { aud: undefined } }, 'invalid'],
    ['an empty list of audiences', { claims: { aud: [] } }, 'wrong_audience'],
    ['an ID token: its audience is the client', { claims: { aud: 'venue-suite' } }, 'wrong_audience'],
    ['no subject', { claims: { sub: undefined } }, 'invalid'],
    ['an empty subject', { claims: { sub: '' } }, 'invalid'],
    ['a subject that is a number', { claims: { sub: 7 } }, 'invalid'],
    ['a logout token', { header: { typ: 'logout+jwt' } }, 'invalid'],
    ['a DPoP proof', { header: { typ: 'dpop+jwt' } }, 'invalid'],
    ['a token that is bound to a key', { claims: { cnf: { jkt: 'x' } } }, 'invalid'],
    ['an unknown key', { header: { kid: 'other' } }, 'invalid'],
    ['an unknown critical header', { header: { crit: ['x'], x: 1 } }, 'invalid'],
  ])('refuses %s', async (_title, overrides, reason) => {
    const token = await mintToken(key, overrides).catch(() => forge(key, overrides));
    const checked = await check.check(token);
    expect(checked).toMatchObject({ active: false });
    // `aud` and `exp` of a wrong type are refused by jose under the claim's own name.
    if (reason !== 'invalid') expect(checked).toEqual({ active: false, reason });
  });

  it('refuses a token whose payload was changed', async () => {
    const [header, , signature] = (await mintToken(key)).split('.');
    const payload = Buffer.from('{"sub":"auth0|root"}').toString('base64url');
    expect(await check.check(`${header}.${payload}.${signature}`)).toEqual({
      active: false,
      reason: 'invalid',
    });
  });

  it('refuses a token signed by another key under the same kid', async () => {
    const token = await mintToken(await newKey());
    expect(await check.check(token)).toEqual({ active: false, reason: 'invalid' });
  });

  it.each(['none', 'None', 'NONE'])('refuses alg %p', async (alg) => {
    const [, payload] = (await mintToken(key)).split('.');
    const header = Buffer.from(JSON.stringify({ alg, typ: 'JWT' })).toString('base64url');
    for (const token of [`${header}.${payload}.`, `${header}.${payload}.AAAA`]) {
      expect(await check.check(token)).toEqual({ active: false, reason: 'invalid' });
    }
  });

  it('refuses HS256 signed with what is public of our key', async () => {
    const publicKey = await importJWK({ ...key.jwk }, 'RS256');
    const pem = await exportSPKI(publicKey as Parameters<typeof exportSPKI>[0]);
    for (const secret of [
      pem,
      pem.trim(),
      JSON.stringify(key.jwk),
      key.jwk.n!,
      Buffer.from(key.jwk.n!, 'base64url'),
    ]) {
      const [, payload] = (await mintToken(key)).split('.');
      const header = Buffer.from(JSON.stringify({ alg: 'HS256', typ: 'JWT', kid: key.kid })).toString(
        'base64url',
      );
      const mac = createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url');
      expect(await check.check(`${header}.${payload}.${mac}`)).toEqual({ active: false, reason: 'invalid' });
    }
  });

  it('does not take a key that the token brings along', async () => {
    const own = await newKey('own');
    const token = await mintToken(own, {
      header: { jwk: own.jwk, jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' },
    });
    expect(await check.check(token)).toEqual({ active: false, reason: 'invalid' });
  });
});

/** For what jose refuses to sign: the signature is then wrong as well, which is the case's business. */
async function forge(key: TestKey, { claims, header }: MintOverrides): Promise<string> {
  const [, payload, signature] = (await mintToken(key, { ...(claims && { claims }) })).split('.');
  const forged = Buffer.from(JSON.stringify({ alg: 'RS256', kid: key.kid, ...header })).toString('base64url');
  return `${forged}.${payload}.${signature}`;
}

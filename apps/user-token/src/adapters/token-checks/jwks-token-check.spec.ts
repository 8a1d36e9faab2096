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
} from '@app/test-support/issuer/mint-token';
import type { Log } from '../../core/log.js';
import { operations } from '@app/contract';
import { JwksTokenCheck } from './jwks-token-check.js';
import { PrincipalClaims } from './principal-claims.js';

const NOW_SECONDS = 1_790_000_000;
const LIFETIME_SECONDS = 30 * 86_400;
const OPTIONS = {
  issuer: TEST_ISSUER,
  audience: [TEST_AUDIENCE],
  clockToleranceSeconds: 5,
  maxLifetimeSeconds: LIFETIME_SECONDS,
};
const CLAIMS = ['gty', 'email', 'https://api.test/roles', '__proto__', 'constructor'];

describe('JwksTokenCheck', () => {
  let key: TestKey;
  let check: JwksTokenCheck;
  let lines: { level: string; fields: object; message: string }[];

  beforeAll(async () => {
    key = await newKey();
    const levels = ['debug', 'info', 'warn', 'error'];
    const line = (level: string) => (fields: object, message: string) =>
      void lines.push({ level, fields, message });
    const log = Object.fromEntries(levels.map((level) => [level, line(level)])) as unknown as Log;
    const claims = new PrincipalClaims(CLAIMS, log);
    check = new JwksTokenCheck(OPTIONS, createLocalJWKSet({ keys: [key.jwk] }), claims);
  });

  beforeEach(() => {
    lines = [];
    jest.useFakeTimers({
      now: NOW_SECONDS * 1000,
      doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'],
    });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('makes a principal from a token of ours', async () => {
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
    ['a type in the form of a media type', { header: { typ: 'application/AT+JWT' } }],
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
    ['an exp of 1e308', { claims: { exp: 1e308 } }, 'invalid'],
    ['an exp that is unsafe in milliseconds', { claims: { exp: 1e13 } }, 'invalid'],
    ['an iat that is text', { claims: { iat: String(NOW_SECONDS) } }, 'invalid'],
    ['an iat of -1e308', { claims: { iat: -1e308 } }, 'invalid'],
    ['an iat before 1970', { claims: { iat: -1 } }, 'invalid'],
    ['a list of times', { claims: { iat: [NOW_SECONDS] } }, 'invalid'],
    ['ours among audiences that are no text', { claims: { aud: [TEST_AUDIENCE, 7] } }, 'invalid'],
    ['ours in a list within a list', { claims: { aud: [[TEST_AUDIENCE]] } }, 'wrong_audience'],
    ['ours beside an empty audience', { claims: { aud: [TEST_AUDIENCE, ''] } }, 'invalid'],
    ['ours beside null', { claims: { aud: [TEST_AUDIENCE, null] } }, 'invalid'],
    ['an audience that is an object', { claims: { aud: { 0: TEST_AUDIENCE } } }, 'invalid'],
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
    ['a list of subjects', { claims: { sub: ['auth0|ada'] } }, 'invalid'],
    ['a logout token', { header: { typ: 'logout+jwt' } }, 'invalid'],
    ['a DPoP proof', { header: { typ: 'dpop+jwt' } }, 'invalid'],
    ['a token that is bound to a key', { claims: { cnf: { jkt: 'x' } } }, 'invalid'],
    ['an unknown key', { header: { kid: 'other' } }, 'invalid'],
    ['an unknown critical header', { header: { crit: ['x'], x: 1 } }, 'invalid'],
  ])('refuses %s', async (_title, overrides, reason) => {
    const token = await mintToken(key, overrides).catch(() => forge(key, overrides));
    const checked = await check.check(token);
    expect(checked).toMatchObject({ active: false });
    // jose refuses an `aud` or `exp` of a wrong type under the name of the claim.
    if (reason !== 'invalid') expect(checked).toMatchObject({ active: false, reason });
  });

  describe('a subject', () => {
    it.each([
      ['has the maximum length', 's'.repeat(256), true],
      ['has the maximum length in pairs of surrogates', '\u{1F600}'.repeat(256), true],
      ['has spaces around it', ' auth0|ada ', true],
      ['is too long by one', 's'.repeat(257), false],
      ['is too long by one pair of surrogates', '\u{1F600}'.repeat(257), false],
      ['fills a whole token', 's'.repeat(5_000), false],
      ['has half of a surrogate pair', 'auth0|\ud800', false],
      ['has the other half', '\udc00ada', false],
      ['has a NUL', 'auth0|ada\0', false],
      ['has a line feed', 'auth0|\nada', false],
      ['has a C1 control character', 'auth0|\u0085ada', false],
    ])('that %s is accepted only if a revocation can name it', async (_title, sub, accepted) => {
      const checked = await check.check(await mintToken(key, { claims: { sub } }));
      expect(operations.revokeSubject.request.safeParse({ subject: sub }).success).toBe(accepted);
      if (accepted) {
        expect(checked).toMatchObject({ active: true, principal: { subject: sub } });
        return;
      }
      expect(checked).toEqual({ active: false, reason: 'invalid_subject' });
      expect(lines).toEqual([
        {
          level: 'warn',
          fields: { subject: sub.slice(0, 64), subjectLength: sub.length },
          message: expect.stringContaining('could not be revoked'),
        },
      ]);
    });
  });

  describe('takes a claim unchanged, or as absent:', () => {
    const nested = (depth: number): unknown => (depth === 0 ? 'x' : [nested(depth - 1)]);

    it.each<[string, unknown, readonly string[], 'ignored'?]>([
      ['a text', 'read:venues write:venues', ['read:venues', 'write:venues']],
      ['a text with superfluous spaces', ' read:venues  write:venues ', ['read:venues', 'write:venues']],
      ['a text with a repetition', 'read:venues read:venues', ['read:venues']],
      ['an empty text', '', []],
      ['a text with a line feed', 'read:venues\nwrite:venues', [], 'ignored'],
      ['a text with a tab', 'read:venues\twrite:venues', [], 'ignored'],
      ['a text with quotes', '"read:venues"', [], 'ignored'],
      ['a text that is not ASCII', 'read:venües', [], 'ignored'],
      ['a list', ['read:venues'], [], 'ignored'],
      ['a list of lists', [['read:venues']], [], 'ignored'],
      ['an object', { 0: 'read:venues', length: 1 }, [], 'ignored'],
      ['a number', 7, [], 'ignored'],
      ['true', true, [], 'ignored'],
      ['null', null, [], 'ignored'],
      ['nothing', undefined, []],
    ])('scope: %s', async (_title, scope, scopes, ...[ignored]) => {
      const checked = await check.check(await mintToken(key, { claims: { scope } }));
      expect(checked).toMatchObject({ active: true, principal: { scopes } });
      expect(lines.map(({ level, fields }) => [level, fields])).toEqual(
        ignored ? [['debug', { claim: 'scope' }]] : [],
      );
    });

    it.each<[string, unknown, readonly string[], 'ignored'?]>([
      ['a list of texts', ['read:venues', 'a b'], ['read:venues', 'a b']],
      ['a list with a repetition', ['read:venues', 'read:venues'], ['read:venues']],
      ['an empty list', [], []],
      [
        'a long list',
        Array.from({ length: 400 }, (_, i) => `p:${i}`),
        Array.from({ length: 400 }, (_, i) => `p:${i}`),
      ],
      ['a text', 'read:venues', [], 'ignored'],
      ['a list with a number in it', ['read:venues', 7], [], 'ignored'],
      ['a list with null in it', ['read:venues', null], [], 'ignored'],
      ['a list with an empty text in it', ['read:venues', ''], [], 'ignored'],
      ['a list within a list', [['read:venues']], [], 'ignored'],
      ['a list of objects', [{ name: 'read:venues' }], [], 'ignored'],
      ['an object', { 0: 'read:venues', length: 1 }, [], 'ignored'],
      ['a number', 7, [], 'ignored'],
      ['true', true, [], 'ignored'],
      ['null', null, [], 'ignored'],
      ['nothing', undefined, []],
    ])('permissions: %s', async (_title, permissions, expected, ...[ignored]) => {
      const checked = await check.check(await mintToken(key, { claims: { permissions } }));
      expect(checked).toMatchObject({ active: true, principal: { permissions: expected } });
      expect(lines.map(({ level, fields }) => [level, fields])).toEqual(
        ignored ? [['debug', { claim: 'permissions' }]] : [],
      );
    });

    it.each<[string, object, string | undefined, 'ignored'?]>([
      ['azp', { azp: 'web' }, 'web'],
      ['client_id', { azp: undefined, client_id: 'web' }, 'web'],
      ['client_id before azp', { azp: 'other', client_id: 'web' }, 'web'],
      [
        'a client_id that is no text, even with an azp',
        { azp: 'web', client_id: ['web'] },
        undefined,
        'ignored',
      ],
      ['a client_id that is null, even with an azp', { azp: 'web', client_id: null }, undefined, 'ignored'],
      ['an azp that is a number', { azp: 7 }, undefined, 'ignored'],
      ['an azp that is empty', { azp: '' }, undefined, 'ignored'],
      ['an azp that is too long', { azp: 'w'.repeat(257) }, undefined, 'ignored'],
      ['an azp with a line feed', { azp: 'web\n' }, undefined, 'ignored'],
    ])('the client: %s', async (_title, claims, clientId, ...[ignored]) => {
      const checked = await check.check(await mintToken(key, { claims: { ...claims } }));
      expect(checked.active && checked.principal.clientId).toBe(clientId);
      expect(lines).toHaveLength(ignored ? 1 : 0);
    });

    it.each<[string, unknown, boolean]>([
      ['a text', 'ada@example.com', true],
      ['a list', ['admin'], true],
      ['an object', { name: 'admin' }, true],
      ['null', null, true],
      ['a list of the maximum depth', nested(16), true],
      ['a list that is too deep', nested(17), false],
      ['a list that is far too deep', nested(1_500), false],
    ])('a further claim: %s', async (_title, value, carried) => {
      const claims = { 'https://api.test/roles': value, gty: undefined };
      const checked = await check.check(await mintToken(key, { claims }));
      expect(checked.active && checked.principal.claims).toEqual(
        carried ? { 'https://api.test/roles': value } : {},
      );
    });

    it('further claims with the names of object members', async () => {
      const claims = JSON.parse('{"__proto__":{"admin":true},"constructor":"x"}') as object;
      const checked = await check.check(await mintToken(key, { claims: { ...claims } }));
      const carried = checked.active ? checked.principal.claims : {};
      expect(Object.keys(carried).sort()).toEqual(['__proto__', 'constructor', 'gty']);
      expect((carried as { admin?: unknown }).admin).toBeUndefined();
    });
  });

  it.each([
    ['for its own life', LIFETIME_SECONDS, LIFETIME_SECONDS],
    ['as long as a log-out everywhere is remembered, at most', LIFETIME_SECONDS + 1, LIFETIME_SECONDS],
    ['as long as that with an endless life', 4_000_000_000, LIFETIME_SECONDS],
  ])('counts %s', async (_title, lifeSeconds, countsSeconds) => {
    const token = await mintToken(key, { claims: { exp: NOW_SECONDS + lifeSeconds } });
    expect(await check.check(token)).toMatchObject({
      principal: { expiresAtSeconds: NOW_SECONDS + countsSeconds },
    });
    jest.setSystemTime((NOW_SECONDS + countsSeconds) * 1000);
    expect(await check.check(token)).toEqual({ active: false, reason: 'expired' });
  });

  it.each<[string, MintOverrides, string]>([
    ['of another issuer', { claims: { iss: 'https://issuer.other/' } }, 'wrong_issuer'],
    ['for another API', { claims: { aud: 'https://other.test/' } }, 'wrong_audience'],
    ['that has expired', { claims: { exp: NOW_SECONDS - 1 } }, 'expired'],
    ['from the future', { claims: { iat: NOW_SECONDS + 60 } }, 'not_yet_valid'],
  ])('looks for no key of a token %s', async (_title, overrides, reason) => {
    const unavailable = () => Promise.reject(new Error('a key was looked for'));
    const withoutKeys = new JwksTokenCheck(OPTIONS, unavailable, new PrincipalClaims([], {} as Log));
    expect(await withoutKeys.check(await mintToken(key, overrides))).toMatchObject({ active: false, reason });
  });

  it('refuses a token with a changed payload', async () => {
    const [header, , signature] = (await mintToken(key)).split('.');
    const payload = Buffer.from('{"sub":"auth0|root"}').toString('base64url');
    expect(await check.check(`${header}.${payload}.${signature}`)).toMatchObject({
      active: false,
      reason: 'invalid',
    });
  });

  it('refuses a signature by another key under the same kid', async () => {
    const token = await mintToken(await newKey());
    expect(await check.check(token)).toMatchObject({ active: false, reason: 'invalid' });
  });

  it.each(['none', 'None', 'NONE'])('refuses alg %p', async (alg) => {
    const [, payload] = (await mintToken(key)).split('.');
    const header = Buffer.from(JSON.stringify({ alg, typ: 'JWT' })).toString('base64url');
    for (const token of [`${header}.${payload}.`, `${header}.${payload}.AAAA`]) {
      expect(await check.check(token)).toMatchObject({ active: false, reason: 'invalid' });
    }
  });

  it('refuses HS256 with our public key as the secret', async () => {
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
      expect(await check.check(`${header}.${payload}.${mac}`)).toMatchObject({
        active: false,
        reason: 'invalid',
      });
    }
  });

  it('ignores a key in the header of the token', async () => {
    const own = await newKey('own');
    const token = await mintToken(own, {
      header: { jwk: own.jwk, jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/' },
    });
    expect(await check.check(token)).toMatchObject({ active: false, reason: 'invalid' });
  });
});

/** For headers that jose refuses to sign. The signature is wrong as well. */
async function forge(key: TestKey, { claims, header }: MintOverrides): Promise<string> {
  const [, payload, signature] = (await mintToken(key, { ...(claims && { claims }) })).split('.');
  const forged = Buffer.from(JSON.stringify({ alg: 'RS256', kid: key.kid, ...header })).toString('base64url');
  return `${forged}.${payload}.${signature}`;
}

import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { JWK } from 'jose';
import {
  mintToken,
  newKey,
  TEST_AUDIENCE,
  TEST_ISSUER,
  type TestKey,
} from '@app/test-support/issuer/mint-token';
import { deferred } from '@app/test-support/timing/deferred';
import { until } from '@app/test-support/timing/until';
import { UpstreamUnavailable } from '../../core/authorization-server.js';
import { IssuerKeys, type IssuerKeysOptions } from './issuer-keys.js';
import { JwksTokenCheck } from '../token-checks/jwks-token-check.js';
import { PrincipalClaims } from '../token-checks/principal-claims.js';

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const REFUSED = { active: false, reason: 'invalid' };
const UNLIMITED = { fetches: 1_000, seconds: 1 };

describe('IssuerKeys', () => {
  let server: Server;
  let uri: URL;
  /** Of the current test. Each has its own address, because a fetch in the background may outlast its test. */
  let fetches: number;
  let answer: { status: number; body: string; headers?: Record<string, string> };
  let answerWhen: Promise<unknown>;
  let k1: TestKey;
  let k2: TestKey;

  beforeAll(async () => {
    [k1, k2] = await Promise.all([newKey('k1'), newKey('k2')]);
    server = createServer((request, response) => {
      if (request.url === uri.pathname) fetches += 1;
      const { status, body, headers } = answer;
      void answerWhen.then(() =>
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    uri = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  beforeEach(() => {
    fetches = 0;
    uri = new URL(`/jwks/${randomUUID()}`, uri);
    answerWhen = Promise.resolve();
    publish(k1.jwk);
  });

  const publish = (...keys: (JWK | object)[]) => {
    answer = { status: 200, body: JSON.stringify({ keys }) };
  };
  const keysWith = (options: Partial<IssuerKeysOptions> = {}) => {
    const ofThisTest = uri;
    return new IssuerKeys({
      jwksUri: () => Promise.resolve(ofThisTest),
      timeoutMs: 5_000,
      refreshAfterSeconds: 600,
      maxStaleSeconds: 3600,
      fetchLimit: { fetches: 2, seconds: 30 },
      grantedFetchLimit: { fetches: 2, seconds: 30 },
      clockToleranceSeconds: 5,
      log: silent,
      ...options,
    });
  };
  const checkOf = (keys: IssuerKeys, find = keys.find) => {
    const options = {
      issuer: TEST_ISSUER,
      audience: [TEST_AUDIENCE],
      clockToleranceSeconds: 5,
      maxLifetimeSeconds: 86_400,
    };
    return new JwksTokenCheck(options, find, new PrincipalClaims([], silent));
  };
  const checkWith = (options: Partial<IssuerKeysOptions> = {}) => checkOf(keysWith(options));
  const isDecided = (check: JwksTokenCheck, token: string) =>
    check.check(token).then(
      () => true,
      () => false,
    );

  it('has a key for the first token once the keys are loaded', async () => {
    const keys = keysWith();
    await keys.load();
    expect(fetches).toBe(1);
    expect(await checkOf(keys).check(await mintToken(k1))).toMatchObject({ active: true });
    expect(fetches).toBe(1);
  });

  it('survives a load in vain: the first token after the back-off causes a fetch', async () => {
    answer = { status: 503, body: '{}' };
    const keys = keysWith();
    const token = await mintToken(k1);
    await keys.load();
    publish(k1.jwk);
    await expect(checkOf(keys).check(token)).rejects.toMatchObject({ retryAfterSeconds: 1 });
    await delay(1_050);
    expect(await checkOf(keys).check(token)).toMatchObject({ active: true });
  });

  it('fetches once for all tokens that wait', async () => {
    const check = checkWith();
    const token = await mintToken(k1);
    const checked = await Promise.all(Array.from({ length: 200 }, () => check.check(token)));
    expect(checked.every(({ active }) => active)).toBe(true);
    expect(fetches).toBe(1);
  });

  it('fetches again for an unknown key: rotation refuses no token', async () => {
    const check = checkWith();
    expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
    publish(k1.jwk, k2.jwk);
    expect(await check.check(await mintToken(k2))).toMatchObject({ active: true });
    publish(k2.jwk);
    expect(await check.check(await mintToken(k2))).toMatchObject({ active: true });
  });

  it('refuses no token with a new key while the limit is used up: the error has a time for a retry', async () => {
    const check = checkWith({ fetchLimit: { fetches: 1, seconds: 3 } });
    const [known, token] = await Promise.all([mintToken(k1), mintToken(k2)]);
    await check.check(known);
    publish(k1.jwk, k2.jwk);
    await expect(check.check(token)).rejects.toMatchObject({
      name: 'UpstreamUnavailable',
      retryAfterSeconds: expect.any(Number),
    });
    expect(fetches).toBe(1);
    await until(() => isDecided(check, token), 10_000);
    expect(await check.check(token)).toMatchObject({ active: true });
  });

  it('refuses no token with a key that is published during a fetch', async () => {
    const check = checkWith({ refreshAfterSeconds: 0 });
    const [known, token] = await Promise.all([mintToken(k1), mintToken(k2)]);
    await check.check(known);
    const answering = deferred();
    answerWhen = answering.promise;
    await check.check(known);
    await until(() => fetches === 2);
    publish(k2.jwk);
    const checked = check.check(token);
    answering.resolve();
    await expect(checked).rejects.toThrow(UpstreamUnavailable);
    await check.check(known);
    await until(() => fetches === 3);
    expect(await check.check(token)).toMatchObject({ active: true });
  });

  it('fetches once more for a key that is newer than the fetch under way', async () => {
    const check = checkWith({ refreshAfterSeconds: 0, fetchLimit: UNLIMITED });
    const [known, token] = await Promise.all([mintToken(k1), mintToken(k2)]);
    await check.check(known);
    const answering = deferred();
    answerWhen = answering.promise;
    await check.check(known);
    await until(() => fetches === 2);
    publish(k2.jwk);
    const checked = check.check(token);
    answering.resolve();
    expect(await checked).toMatchObject({ active: true });
    expect(fetches).toBe(3);
  });

  it('refuses a key that is missing in a set fetched after the question', async () => {
    const made = await mintToken(k2);
    expect(await checkWith().check(made)).toMatchObject(REFUSED);
    const check = checkWith({ fetchLimit: UNLIMITED });
    await check.check(await mintToken(k1));
    expect(await check.check(made)).toMatchObject(REFUSED);
    expect(fetches).toBe(3);
  });

  describe('fetches nothing for a kid that is no text:', () => {
    it.each([
      ['a number', 7],
      ['null', null],
      ['a list', ['k1']],
      ['an object', { kid: 'k1' }],
      ['true', true],
    ])('%s', async (_title, kid) => {
      const keys = keysWith({ fetchLimit: UNLIMITED, grantedFetchLimit: UNLIMITED });
      const token = await mintToken(k1, { header: { kid } });
      for (const find of [keys.find, keys.findForGranted])
        expect(await checkOf(keys, find).check(token)).toMatchObject(REFUSED);
      expect(fetches).toBe(0);
    });
  });

  describe('an unknown key', () => {
    const TOLERANCE_SECONDS = 5;
    const ago = (seconds: number) => ({ claims: { iat: Math.floor(Date.now() / 1000) - seconds } });

    it.each([
      ['an hour', 3_600],
      ['a little more than the tolerance', TOLERANCE_SECONDS + 2],
    ])('is refused if its token was issued %s before the newest fetch', async (_title, seconds) => {
      const before = ago(seconds);
      const check = checkWith({ fetchLimit: UNLIMITED });
      await check.check(await mintToken(k1));
      publish(k1.jwk, k2.jwk);
      for (let i = 0; i < 50; i += 1) {
        const made = await mintToken(k2, { ...before, header: { kid: `made-up-${i}` } });
        expect(await check.check(made)).toMatchObject(REFUSED);
      }
      expect(fetches).toBe(1);
    });

    it('causes a fetch if its token was issued in the second of the newest fetch', async () => {
      const check = checkWith({ clockToleranceSeconds: 0 });
      await check.check(await mintToken(k1));
      publish(k1.jwk, k2.jwk);
      expect(await check.check(await mintToken(k2))).toMatchObject({ active: true });
    });

    it('causes a fetch if its token was issued within the tolerance before the newest fetch: the clocks may differ', async () => {
      const check = checkWith({ clockToleranceSeconds: 60 });
      await check.check(await mintToken(k1));
      publish(k1.jwk, k2.jwk);
      expect(await check.check(await mintToken(k2, ago(30)))).toMatchObject({ active: true });
      expect(fetches).toBe(2);
    });

    it('of an old token is refused after the limit is used up, and one of a new token is an outage', async () => {
      const check = checkWith({ fetchLimit: { fetches: 1, seconds: 30 } });
      await check.check(await mintToken(k1));
      expect(await check.check(await mintToken(k2, ago(3_600)))).toMatchObject(REFUSED);
      await expect(check.check(await mintToken(k2))).rejects.toThrow(UpstreamUnavailable);
    });

    it('of a token with a made-up time causes a fetch within the limit, or is refused', async () => {
      const check = checkWith();
      await check.check(await mintToken(k1));
      for (let ahead = 0; ahead < 40; ahead += 1) {
        const made = await mintToken(k2, { ...ago(-ahead), header: { kid: `made-up-${ahead}` } });
        const checked = await check.check(made).catch((error: unknown) => error);
        if (ahead > TOLERANCE_SECONDS + 20) expect(checked).toMatchObject({ reason: 'not_yet_valid' });
        else expect(checked).not.toMatchObject({ active: true });
      }
      expect(fetches).toBe(2);
    });

    it('of a token that was just granted causes a fetch, whatever its time', async () => {
      const keys = keysWith();
      await keys.load();
      publish(k1.jwk, k2.jwk);
      const granted = checkOf(keys, keys.findForGranted);
      expect(await granted.check(await mintToken(k2, ago(3_600)))).toMatchObject({ active: true });
    });
  });

  describe('uses the valid keys of a set', () => {
    let lines: { fields: { skipped?: string }; message: string }[];
    const log = {
      ...silent,
      warn: (fields: object, message: string) => void lines.push({ fields, message }),
    };

    beforeEach(() => {
      lines = [];
    });

    it.each<[string, unknown, string]>([
      ['an entry without kty', { kid: 'x', n: 'AQAB' }, 'key 1 has no kty'],
      ['a kty that is a number', { kty: 7 }, 'key 1 has no kty'],
      ['null', null, 'key 1 is not an object'],
      ['a text', 'k1', 'key 1 is not an object'],
      ['a list', [], 'key 1 is not an object'],
      ['an unknown kty', { kty: 'LATTICE', kid: 'k1' }, 'key 1 is not for RS256'],
      ['another kty', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }, 'key 1 is not for RS256'],
      ['a symmetric key', { kty: 'oct', k: 'AAAA', kid: 'k1' }, 'key 1 is not for RS256'],
      ['a key without modulus', { kty: 'RSA', kid: 'k1', e: 'AQAB' }, 'key 1 cannot be read'],
      ['an invalid modulus', { kty: 'RSA', kid: 'k1', e: 'AQAB', n: '?' }, '2048 bits'],
      ['a modulus that is a number', { kty: 'RSA', kid: 'k1', e: 'AQAB', n: 7 }, '2048 bits'],
      ['a short key', { kty: 'RSA', kid: 'k1', e: 'AQAB', n: `w${'A'.repeat(170)}` }, '2048 bits'],
    ])('beside %s, and says so once', async (_title, odd, skipped) => {
      publish(odd as object, k1.jwk);
      const keys = keysWith({ log });
      for (let i = 0; i < 3; i += 1) {
        await keys.load();
        expect(await checkOf(keys).check(await mintToken(k1))).toMatchObject({ active: true });
      }
      expect(lines.map(({ fields }) => fields.skipped)).toEqual([expect.stringContaining(skipped)]);
      expect(keys.check()).toMatchObject({ up: true, detail: expect.stringContaining('1 at hand') });
    });

    it.each<[string, (jwk: JWK) => JWK]>([
      ['a private key', (jwk) => ({ ...jwk, d: 'AAAA', p: 'AA', q: 'AA', dp: 'AA', dq: 'AA', qi: 'AA' })],
      ['a key for encryption', (jwk) => ({ ...jwk, use: 'enc' })],
      ['a key of another algorithm', (jwk) => ({ ...jwk, alg: 'PS256' })],
      ['a key for another operation', (jwk) => ({ ...jwk, key_ops: ['encrypt'] })],
      ['a key whose operations are a text', (jwk) => ({ ...jwk, key_ops: 'verify' as unknown as string[] })],
    ])('beside %s of its own kind', async (_title, change) => {
      publish(change(k2.jwk), k1.jwk);
      const check = checkWith({ log });
      expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
      expect(await check.check(await mintToken(k2))).toMatchObject(REFUSED);
      expect(lines).toHaveLength(1);
    });

    it('of more than a hundred', async () => {
      const others = Array.from({ length: 300 }, (_, i) => ({ ...k2.jwk, kid: `other-${i}` }));
      publish(...others, k1.jwk);
      const check = checkWith({ log });
      expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
      expect(lines).toEqual([]);
    });

    it('and logs few of very many invalid ones', async () => {
      publish(...Array.from({ length: 300 }, () => ({ kty: 'oct' })), k1.jwk);
      const check = checkWith({ log });
      expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
      expect(lines[0]!.fields.skipped).toMatch(/and 295 more$/);
      expect(lines[0]!.fields.skipped!.length).toBeLessThan(300);
    });

    it('with a byte order mark', async () => {
      answer = { status: 200, body: `\ufeff${JSON.stringify({ keys: [k1.jwk] })}` };
      expect(await checkWith().check(await mintToken(k1))).toMatchObject({ active: true });
    });
  });

  describe('when several keys match', () => {
    const nameless = ({ jwk }: TestKey): JWK => ({ ...jwk, kid: undefined as unknown as string });

    it.each<[string, () => JWK[], (key: TestKey) => Promise<string>]>([
      ['two keys have one kid', () => [k1.jwk, { ...k2.jwk, kid: 'k1' }], (key) => minted(key, 'k1')],
      ['keys have a kid, and the token has none', () => [k1.jwk, k2.jwk], (key) => minted(key, undefined)],
      ['neither has one', () => [nameless(k1), nameless(k2)], (key) => minted(key, undefined)],
      ['there is one key, and the token has no kid', () => [k2.jwk], (key) => minted(key, undefined)],
    ])('tries each of them: %s', async (_title, published, mint) => {
      publish(...published());
      const check = checkWith();
      expect(await check.check(await mint(k2))).toMatchObject({ active: true });
      expect(await check.check(await mint(await newKey()))).toMatchObject(REFUSED);
      expect(fetches).toBe(1);
    });

    it('tries ten at most', async () => {
      const copies = (count: number) => Array.from({ length: count }, () => k2.jwk);
      publish(...copies(9), k1.jwk);
      expect(await checkWith().check(await minted(k1, undefined))).toMatchObject({ active: true });
      publish(...copies(10), k1.jwk);
      expect(await checkWith().check(await minted(k1, undefined))).toMatchObject(REFUSED);
    });

    it('tries no key with another kid', async () => {
      publish(k1.jwk, k2.jwk);
      expect(await checkWith().check(await minted(k2, 'k1'))).toMatchObject(REFUSED);
    });

    it('still judges the claims', async () => {
      publish(k1.jwk, k2.jwk);
      const token = await mintToken(k2, {
        header: { kid: undefined },
        claims: { aud: 'https://other.test/' },
      });
      expect(await checkWith().check(token)).toMatchObject({ active: false, reason: 'wrong_audience' });
    });

    const minted = (key: TestKey, kid: string | undefined) => mintToken(key, { header: { kid } });
  });

  it('limits the fetches for a flood of random kids, and known keys still work', async () => {
    const check = checkWith({ fetchLimit: { fetches: 2, seconds: 0.4 } });
    const good = await mintToken(k1);
    const made = await Promise.all(
      Array.from({ length: 100 }, (_, i) => mintToken(k1, { header: { kid: `random-${i}` } })),
    );
    const startedAtMs = performance.now();
    while (performance.now() < startedAtMs + 1_000) {
      const floods = await Promise.allSettled(made.map((token) => check.check(token)));
      expect(floods.some((flood) => flood.status === 'fulfilled' && flood.value.active)).toBe(false);
      expect(await check.check(good)).toMatchObject({ active: true });
    }
    expect(fetches).toBeGreaterThan(2);
    expect(fetches).toBeLessThanOrEqual(2 * Math.ceil((performance.now() - startedAtMs) / 400));
  });

  describe('the keys for a token that was just granted', () => {
    const bothOf = (keys: IssuerKeys) => ({
      check: checkOf(keys),
      granted: checkOf(keys, keys.findForGranted),
    });
    const flood = async (check: JwksTokenCheck) => {
      for (let i = 0; i < 20; i += 1) {
        const made = await mintToken(k1, { header: { kid: `made-up-${i}` } });
        await check.check(made).catch((error: unknown) => expect(error).toBeInstanceOf(UpstreamUnavailable));
      }
    };

    it('are fetched even if made-up kids have used up the limit of other tokens', async () => {
      const { check, granted } = bothOf(keysWith());
      await check.check(await mintToken(k1));
      await flood(check);
      expect(fetches).toBe(2);
      publish(k1.jwk, k2.jwk);
      const token = await mintToken(k2);
      await expect(check.check(token)).rejects.toThrow(UpstreamUnavailable);
      expect(await granted.check(token)).toMatchObject({ active: true });
      expect(await check.check(token)).toMatchObject({ active: true });
      expect(fetches).toBe(3);
    });

    it('are fetched at once after failing fetches for other tokens', async () => {
      const keys = keysWith({ fetchLimit: UNLIMITED });
      const { check, granted } = bothOf(keys);
      answer = { status: 503, body: '{}' };
      await flood(check);
      publish(k2.jwk);
      const token = await mintToken(k2);
      await expect(check.check(token)).rejects.toThrow(UpstreamUnavailable);
      expect(await granted.check(token)).toMatchObject({ active: true });
    });

    it('are an outage until they are published, and have a fetch limit as well', async () => {
      const { check, granted } = bothOf(keysWith({ fetchLimit: { fetches: 1, seconds: 30 } }));
      await check.check(await mintToken(k1));
      const token = await mintToken(k2);
      for (let i = 0; i < 20; i += 1) await expect(granted.check(token)).rejects.toThrow(UpstreamUnavailable);
      expect(fetches).toBe(3);
    });
  });

  it('forgets a key that is no longer published at the next fetch', async () => {
    const check = checkWith({ refreshAfterSeconds: 0 });
    const old = await mintToken(k1);
    await check.check(old);
    publish(k2.jwk);
    await until(async () => !(await check.check(old)).active);
    expect(await check.check(old)).toMatchObject(REFUSED);
  });

  describe('while each fetch fails', () => {
    it.each<[string, () => void]>([
      ['an error', () => (answer = { status: 503, body: '{}' })],
      ['HTML', () => (answer = { status: 200, body: '<html>' })],
      ['no keys', () => publish()],
      ['something else', () => (answer = { status: 200, body: '{}' })],
      ['only a symmetric key', () => publish({ kty: 'oct', k: 'AAAA', kid: 'k1' })],
      ['only a key that is too short', () => publish({ kty: 'RSA', n: 'AAAA', e: 'AQAB', kid: 'k1' })],
      ['only a key for encryption', () => publish({ ...k1.jwk, use: 'enc' })],
      ['more than 1 MiB', () => publish(k1.jwk, { kty: 'RSA', fill: 'x'.repeat(1_100_000) })],
      [
        'a redirect',
        () => (answer = { status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } }),
      ],
    ])('because of %s, known keys still work and unknown ones are not refused', async (_title, breakIt) => {
      const check = checkWith({ refreshAfterSeconds: 0, fetchLimit: UNLIMITED });
      expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
      breakIt();
      for (let i = 0; i < 3; i += 1) {
        expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
        await delay(10);
      }
      for (let i = 0; i < 2; i += 1) {
        await expect(check.check(await mintToken(k2))).rejects.toThrow(UpstreamUnavailable);
      }
    });

    it('gives the time of the next fetch for an unknown key, and fetches then', async () => {
      const check = checkWith({ fetchLimit: UNLIMITED });
      await check.check(await mintToken(k1));
      answer = { status: 429, body: '' };
      const token = await mintToken(k2);
      await expect(check.check(token)).rejects.toThrow(UpstreamUnavailable);
      await expect(check.check(token)).rejects.toMatchObject({ retryAfterSeconds: 1 });
      expect(fetches).toBe(2);
      publish(k2.jwk);
      await delay(1_050);
      expect(await check.check(token)).toMatchObject({ active: true });
    });

    it.each([
      ['of another issuer', { iss: 'https://issuer.other/' }, 'wrong_issuer'],
      ['that has expired', { exp: 1 }, 'expired'],
      ['that is from the future', { iat: 4_000_000_000 }, 'not_yet_valid'],
    ])('still refuses a token %s, without a fetch', async (_title, claims, reason) => {
      answer = { status: 500, body: '' };
      expect(await checkWith().check(await mintToken(k1, { claims }))).toMatchObject({
        active: false,
        reason,
      });
      expect(fetches).toBe(0);
    });

    it.each([
      ['in seconds', () => ({ 'retry-after': '17' }), 17],
      ['until the end of a limit', () => ({ 'x-ratelimit-reset': unixTimeIn(20) }), 20],
      ['a minute at most', () => ({ 'retry-after': '86400' }), 60],
    ])('waits as long as the server says: %s', async (_title, headers, seconds) => {
      answer = { status: 429, body: '', headers: headers() };
      const check = checkWith({ fetchLimit: UNLIMITED });
      const token = await mintToken(k1);
      await expect(check.check(token)).rejects.toThrow(UpstreamUnavailable);
      publish(k1.jwk);
      const waiting: unknown = await check.check(token).catch((error: unknown) => error);
      const { retryAfterSeconds } = waiting as UpstreamUnavailable;
      expect(retryAfterSeconds).toBeGreaterThan(seconds - 10);
      expect(retryAfterSeconds).toBeLessThanOrEqual(seconds + 1);
      expect(fetches).toBe(1);
    });

    it('gives the reason for readiness', async () => {
      const keys = keysWith({ fetchLimit: UNLIMITED });
      answer = { status: 500, body: '' };
      await keys.load();
      expect(keys.check()).toMatchObject({
        degraded: true,
        detail: expect.stringMatching(/none at hand.*answered 500/),
      });
      answer = { status: 200, body: '<html>' };
      await keys.load();
      expect(keys.check()).toMatchObject({ degraded: true, detail: expect.stringContaining('no key set') });
      publish(k1.jwk);
      await keys.load();
      expect(keys.check()).toEqual({ up: true, detail: '1 at hand' });
    });

    const unixTimeIn = (seconds: number) => String(Math.floor(Date.now() / 1000) + seconds);

    it('waits longer after each fetch, and does not fetch once per request', async () => {
      const check = checkWith({ refreshAfterSeconds: 0 });
      const token = await mintToken(k1);
      await check.check(token);
      answer = { status: 500, body: '' };
      for (let i = 0; i < 100; i += 1) await check.check(token);
      expect(fetches).toBeLessThanOrEqual(3);
    });

    it('refuses no token without keys, or with keys that are too old', async () => {
      answer = { status: 500, body: '' };
      const token = await mintToken(k1);
      await expect(checkWith().check(token)).rejects.toThrow(UpstreamUnavailable);
      publish(k1.jwk);
      const check = checkWith({ maxStaleSeconds: 0.05, refreshAfterSeconds: 0.01 });
      await check.check(token);
      await delay(60);
      answer = { status: 500, body: '' };
      await expect(check.check(token)).rejects.toThrow(UpstreamUnavailable);
      await expect(check.check(token)).rejects.toThrow(UpstreamUnavailable);
    });
  });
});

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
} from '../../../../test/support/mint-token.js';
import { until } from '../../../../test/support/until.js';
import { UpstreamUnavailable } from '../core/authorization-server.js';
import { IssuerKeys, type IssuerKeysOptions } from './issuer-keys.js';
import { JwksTokenCheck } from './jwks-token-check.js';
import { PrincipalClaims } from './principal-claims.js';

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

const UNLIMITED = { fetches: 1_000, seconds: 1 };

describe('IssuerKeys', () => {
  let server: Server;
  let uri: URL;
  let fetches: number;
  let answer: { status: number; body: string; headers?: Record<string, string> };
  let answerAfterMs: number;
  let k1: TestKey;
  let k2: TestKey;

  beforeAll(async () => {
    [k1, k2] = await Promise.all([newKey('k1'), newKey('k2')]);
    server = createServer((_request, response) => {
      fetches += 1;
      const { status, body, headers } = answer;
      setTimeout(
        () => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body),
        answerAfterMs,
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    uri = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`);
  });

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  beforeEach(() => {
    fetches = 0;
    answerAfterMs = 0;
    publish(k1.jwk);
  });

  const publish = (...keys: (JWK | object)[]) => {
    answer = { status: 200, body: JSON.stringify({ keys }) };
  };
  const keysWith = (options: Partial<IssuerKeysOptions> = {}) =>
    new IssuerKeys({
      jwksUri: () => Promise.resolve(uri),
      timeoutMs: 500,
      refreshAfterSeconds: 600,
      maxStaleSeconds: 3600,
      fetchLimit: { fetches: 2, seconds: 30 },
      grantedFetchLimit: { fetches: 2, seconds: 30 },
      log: silent,
      ...options,
    });
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

  it('has a key at hand for the first token once it is loaded', async () => {
    const keys = keysWith();
    await keys.load();
    expect(fetches).toBe(1);
    expect(await checkOf(keys).check(await mintToken(k1))).toMatchObject({ active: true });
    expect(fetches).toBe(1);
  });

  it('can be loaded in vain: the first token after the back-off has them fetched', async () => {
    answer = { status: 503, body: '{}' };
    const keys = keysWith();
    await keys.load();
    publish(k1.jwk);
    await expect(checkOf(keys).check(await mintToken(k1))).rejects.toMatchObject({ retryAfterSeconds: 1 });
    await delay(1_050);
    expect(await checkOf(keys).check(await mintToken(k1))).toMatchObject({ active: true });
  });

  it('fetches once for everybody who waits', async () => {
    const check = checkWith();
    const token = await mintToken(k1);
    const checked = await Promise.all(Array.from({ length: 200 }, () => check.check(token)));
    expect(checked.every(({ active }) => active)).toBe(true);
    expect(fetches).toBe(1);
  });

  it('fetches again for a key it does not know yet: rotation refuses nobody', async () => {
    const check = checkWith();
    expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
    publish(k1.jwk, k2.jwk);
    expect(await check.check(await mintToken(k2))).toMatchObject({ active: true });
    publish(k2.jwk);
    expect(await check.check(await mintToken(k2))).toMatchObject({ active: true });
  });

  it('refuses nobody for a key that is new while no more may be fetched: he is told when to come again', async () => {
    const check = checkWith({ fetchLimit: { fetches: 1, seconds: 0.5 } });
    await check.check(await mintToken(k1));
    publish(k1.jwk, k2.jwk);
    const token = await mintToken(k2);
    await expect(check.check(token)).rejects.toMatchObject({
      name: 'UpstreamUnavailable',
      retryAfterSeconds: 1,
    });
    expect(fetches).toBe(1);
    await delay(550);
    expect(await check.check(token)).toMatchObject({ active: true });
  });

  it('refuses nobody for a key that is published while a fetch is under way', async () => {
    answerAfterMs = 100;
    const check = checkWith({ refreshAfterSeconds: 0 });
    await check.check(await mintToken(k1));
    await check.check(await mintToken(k1));
    await until(() => fetches === 2);
    publish(k2.jwk);
    await expect(check.check(await mintToken(k2))).rejects.toThrow(UpstreamUnavailable);
    await delay(150);
    await check.check(await mintToken(k1));
    await delay(150);
    expect(await check.check(await mintToken(k2))).toMatchObject({ active: true });
    // The fetch that this one has started must not count in the next test.
    await delay(150);
  });

  it('has the keys fetched once more for a key that a fetch under way was too early for', async () => {
    answerAfterMs = 100;
    const check = checkWith({ refreshAfterSeconds: 0, fetchLimit: UNLIMITED });
    await check.check(await mintToken(k1));
    await check.check(await mintToken(k1));
    await until(() => fetches === 2);
    publish(k2.jwk);
    expect(await check.check(await mintToken(k2))).toMatchObject({ active: true });
    expect(fetches).toBe(3);
  });

  it('refuses a key that is in no set fetched since it was asked for', async () => {
    const made = await mintToken(k2);
    expect(await checkWith().check(made)).toEqual({ active: false, reason: 'invalid' });
    const check = checkWith({ fetchLimit: UNLIMITED });
    await check.check(await mintToken(k1));
    expect(await check.check(made)).toEqual({ active: false, reason: 'invalid' });
    expect(fetches).toBe(3);
  });

  it('answers a flood of random kids with as many fetches as the limit allows, and known keys go on working', async () => {
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

  describe('for a token that was just granted', () => {
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

    it('are fetched though made-up kids have used up the limit of all others', async () => {
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

    it('are fetched at once after failures that others have brought about', async () => {
      const keys = keysWith({ fetchLimit: UNLIMITED });
      const { check, granted } = bothOf(keys);
      answer = { status: 503, body: '{}' };
      await flood(check);
      publish(k2.jwk);
      const token = await mintToken(k2);
      await expect(check.check(token)).rejects.toThrow(UpstreamUnavailable);
      expect(await granted.check(token)).toMatchObject({ active: true });
    });

    it('are not there yet, rather than not at all, and are asked for within a limit', async () => {
      const { check, granted } = bothOf(keysWith({ fetchLimit: { fetches: 1, seconds: 30 } }));
      await check.check(await mintToken(k1));
      const token = await mintToken(k2);
      for (let i = 0; i < 20; i += 1) await expect(granted.check(token)).rejects.toThrow(UpstreamUnavailable);
      expect(fetches).toBe(3);
    });
  });

  it('forgets a key that is no longer published, once it fetches anew', async () => {
    const check = checkWith({ refreshAfterSeconds: 0 });
    const old = await mintToken(k1);
    await check.check(old);
    publish(k2.jwk);
    await check.check(old);
    await delay(50);
    expect(await check.check(old)).toEqual({ active: false, reason: 'invalid' });
  });

  describe('while the keys cannot be had', () => {
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
    ])(
      'because of %s, known keys go on working and unknown ones are not refused',
      async (_title, breakIt) => {
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
      },
    );

    it('tells whose key it does not know when it will ask again, and does', async () => {
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
      ['of another issuer', { iss: 'https://issuer.other/' }],
      ['that has expired', { exp: 1 }],
    ])('still refuses a token %s', async (_title, claims) => {
      answer = { status: 500, body: '' };
      expect(await checkWith().check(await mintToken(k1, { claims }))).toEqual({
        active: false,
        reason: 'invalid',
      });
    });

    it('asks ever more seldom, not once per request', async () => {
      const check = checkWith({ refreshAfterSeconds: 0 });
      await check.check(await mintToken(k1));
      answer = { status: 500, body: '' };
      for (let i = 0; i < 100; i += 1) await check.check(await mintToken(k1));
      expect(fetches).toBeLessThanOrEqual(3);
    });

    it('holds nothing against a token when there are none at all, or they are too old', async () => {
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

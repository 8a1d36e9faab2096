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
import { UpstreamUnavailable } from '../core/authorization-server.js';
import { IssuerKeys, type IssuerKeysOptions } from './issuer-keys.js';
import { JwksTokenCheck } from './jwks-token-check.js';

const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

describe('IssuerKeys', () => {
  let server: Server;
  let uri: URL;
  let fetches: number;
  let answer: { status: number; body: string; headers?: Record<string, string> };
  let k1: TestKey;
  let k2: TestKey;

  beforeAll(async () => {
    [k1, k2] = await Promise.all([newKey('k1'), newKey('k2')]);
    server = createServer((_request, response) => {
      fetches += 1;
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
      response.end(answer.body);
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
    publish(k1.jwk);
  });

  const publish = (...keys: (JWK | object)[]) => {
    answer = { status: 200, body: JSON.stringify({ keys }) };
  };
  const checkWith = (options: Partial<IssuerKeysOptions> = {}) => {
    const keys = new IssuerKeys({
      jwksUri: () => Promise.resolve(uri),
      timeoutMs: 500,
      refreshAfterSeconds: 600,
      maxStaleSeconds: 3600,
      cooldownSeconds: 15,
      log: silent,
      ...options,
    });
    const claims = { issuer: TEST_ISSUER, audience: [TEST_AUDIENCE], clockToleranceSeconds: 5, claims: [] };
    return new JwksTokenCheck(claims, keys.find);
  };

  it('fetches once for everybody who waits', async () => {
    const check = checkWith();
    const token = await mintToken(k1);
    const checked = await Promise.all(Array.from({ length: 200 }, () => check.check(token)));
    expect(checked.every(({ active }) => active)).toBe(true);
    expect(fetches).toBe(1);
  });

  it('fetches again for a key it does not know yet: rotation refuses nobody', async () => {
    const check = checkWith({ cooldownSeconds: 0 });
    expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
    publish(k1.jwk, k2.jwk);
    expect(await check.check(await mintToken(k2))).toMatchObject({ active: true });
    publish(k2.jwk);
    expect(await check.check(await mintToken(k2))).toMatchObject({ active: true });
  });

  it('answers a flood of random kids with one fetch per cool-down, and known keys go on working', async () => {
    const check = checkWith();
    await check.check(await mintToken(k1));
    await delay(5);
    const floods = Array.from({ length: 300 }, async (_, i) =>
      check.check(await mintToken(k1, { header: { kid: `random-${i}` } })),
    );
    expect((await Promise.all(floods)).every(({ active }) => !active)).toBe(true);
    expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
    expect(fetches).toBeLessThanOrEqual(2);
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
    ])('because of %s, known keys go on working and unknown ones are refused', async (_title, breakIt) => {
      const check = checkWith({ refreshAfterSeconds: 0, cooldownSeconds: 0 });
      expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
      breakIt();
      for (let i = 0; i < 3; i += 1) {
        expect(await check.check(await mintToken(k1))).toMatchObject({ active: true });
        await delay(10);
      }
      expect(await check.check(await mintToken(k2))).toEqual({ active: false, reason: 'invalid' });
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

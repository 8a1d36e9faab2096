import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { openStore, type SharedStore } from '@app/redis';
import { RedisServer } from '../../../../test/support/redis-server.js';
import { until } from '../../../../test/support/until.js';
import { UpstreamUnavailable } from '../core/authorization-server.js';
import type { CheckedToken, TokenCheck } from '../core/token-check.js';
import { CountedTokenCheck } from './counted-token-check.js';
import { FleetTokenCheck } from './fleet-token-check.js';
import { OpenidAuthorizationServer } from './openid-authorization-server.js';
import { SealedBox } from './sealed-box.js';
import { TokenCheckByForm } from './token-check-by-form.js';
import { UserinfoTokenCheck } from './userinfo-token-check.js';

const RECHECK_SECONDS = 2;
const UNKNOWN_PER_MINUTE = 5;
const ADA = { status: 200, body: { sub: 'auth0|ada' } };
const REFUSAL = { status: 401, body: { error: 'invalid_token' } };
const CHALLENGE = 'Bearer realm="Users", error="invalid_token", error_description="The token has expired"';

let serial = 0;
const newToken = () => `opaque-${String((serial += 1)).padStart(25, '0')}`;
const jwe = (header: object, ...rest: string[]) =>
  [Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.');

describe('opaque tokens in a fleet of user-tokens', () => {
  let redis: RedisServer;
  let server: Server;
  let issuer: string;
  let answer: { status: number; body: object };
  let asked: string[];
  let stores: SharedStore[];
  let fleet: TokenCheck[];

  beforeAll(async () => {
    redis = await RedisServer.start();
    server = createServer((request, response) => {
      response.setHeader('content-type', 'application/json');
      if (request.url !== '/userinfo') {
        response.end(JSON.stringify({ issuer, userinfo_endpoint: `${issuer}userinfo` }));
        return;
      }
      asked.push(request.headers.authorization ?? '');
      const { status, body } = answer;
      if (status === 401) response.setHeader('www-authenticate', CHALLENGE);
      setTimeout(() => response.writeHead(status).end(JSON.stringify(body)), 50);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    stores = [1, 2, 3].map(() => openStore(redis.url));
    await Promise.all(stores.map((store) => new Promise<void>((resolve) => store.onAvailable(resolve))));
  });

  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await redis.stop();
  });

  beforeEach(async () => {
    await redis.cli('FLUSHALL');
    asked = [];
    answer = ADA;
    fleet = stores.map(replica);
  });

  function replica(store: SharedStore): TokenCheck {
    const authorizationServer = new OpenidAuthorizationServer({
      issuer,
      clientId: 'client',
      clientSecret: 'client-secret',
      audience: 'https://api.test/',
      scope: 'openid',
      timeoutMs: 1_000,
    });
    const userinfo = new UserinfoTokenCheck(authorizationServer, {
      issuer,
      recheckSeconds: RECHECK_SECONDS,
      claims: [],
    });
    const shared = new FleetTokenCheck(
      userinfo,
      new CountedTokenCheck(userinfo, store, UNKNOWN_PER_MINUTE),
      store,
      new SealedBox(['a-session-secret-of-32-characters']),
      {
        refusalSeconds: 60,
        maxTokenLifetimeSeconds: 3_600,
        askMs: 3_000,
      },
    );
    return new TokenCheckByForm(shared, shared, shared);
  }

  async function thaw(): Promise<void> {
    redis.thaw();
    await until(() => stores.every((store) => store.available));
  }
  const issuedAt = (checked: CheckedToken) => checked.active && checked.principal.issuedAtSeconds;
  const checkEverywhere = (token: string, times = 1) =>
    Promise.all(Array.from({ length: times }, () => fleet.map((check) => check.check(token))).flat());

  it('are asked about once, however many replicas are asked at the same time', async () => {
    const answers = await checkEverywhere(newToken(), 20);
    expect(new Set(answers.map((checked) => checked.active && checked.principal.subject))).toEqual(
      new Set(['auth0|ada']),
    );
    expect(asked).toHaveLength(1);
  });

  it('are asked about again once the answer has grown old, and keep the time they were first seen', async () => {
    const token = newToken();
    const [first] = await checkEverywhere(token);
    await delay(RECHECK_SECONDS * 1000 + 100);
    const [second] = await checkEverywhere(token);
    expect(asked).toHaveLength(2);
    expect(issuedAt(second!)).toBe(issuedAt(first!));
  });

  it('keep the time they were first seen when Redis has been emptied', async () => {
    const token = newToken();
    const first = await fleet[0]!.check(token);
    await redis.cli('FLUSHALL');
    await delay(RECHECK_SECONDS * 1000 + 100);
    const second = await fleet[0]!.check(token);
    expect(asked).toHaveLength(2);
    expect(issuedAt(second)).toBe(issuedAt(first));
  });

  it('count as older than any log-out everywhere while Redis is away and their age is not known', async () => {
    const [seen, unseen] = [newToken(), newToken()];
    const before = await fleet[0]!.check(seen);
    await delay(RECHECK_SECONDS * 1000 + 100);
    redis.freeze();
    try {
      expect(issuedAt(await fleet[0]!.check(seen))).toBe(issuedAt(before));
      expect(issuedAt(await fleet[0]!.check(unseen))).toBe(0);
    } finally {
      await thaw();
    }
  });

  it('whose age was not known do not get younger when Redis is back', async () => {
    const token = newToken();
    redis.freeze();
    expect(issuedAt(await fleet[0]!.check(token))).toBe(0);
    await thaw();
    await delay(RECHECK_SECONDS * 1000 + 100);
    expect(issuedAt(await fleet[0]!.check(token))).toBe(0);
    expect(asked).toHaveLength(2);
  });

  it('that were refused are not asked about again', async () => {
    answer = REFUSAL;
    const token = newToken();
    expect((await checkEverywhere(token, 5)).every((checked) => !checked.active)).toBe(true);
    await checkEverywhere(token);
    expect(asked).toHaveLength(1);
  });

  it('are asked about again after a 429, which is no answer', async () => {
    answer = { status: 429, body: { error: 'too_many_requests' } };
    const token = newToken();
    await expect(fleet[0]!.check(token)).rejects.toThrow(UpstreamUnavailable);
    answer = ADA;
    expect((await fleet[1]!.check(token)).active).toBe(true);
  });

  it.each([
    ['a word', 'there-is-no-such-opaque-token'],
    ['of a length that no issuer uses', 'a'.repeat(40)],
    ['five parts without a JOSE header', 'aaaa.bbbb.cccc.dddd.eeee'],
    ['a JWE without enc', jwe({ alg: 'dir' }, '', 'aaaa', 'bbbb', 'cccc')],
    [
      'a JWE with dir and an encrypted key',
      jwe({ alg: 'dir', enc: 'A256GCM' }, 'aaaa', 'bbbb', 'cccc', 'dddd'),
    ],
  ])('are not asked about when they are garbage: %s', async (_title, token) => {
    expect(await checkEverywhere(token)).toEqual(Array(3).fill({ active: false, reason: 'malformed' }));
    expect(asked).toEqual([]);
  });

  it('are asked about when they are a JWE as Auth0 issues them', async () => {
    const token = jwe({ alg: 'dir', enc: 'A256GCM', iss: issuer }, '', 'aaaa', newToken(), 'bbbb');
    expect((await fleet[0]!.check(token)).active).toBe(true);
  });

  it('an answer that was moved to another token in Redis is none', async () => {
    const [mine, his] = [newToken(), newToken()];
    await fleet[0]!.check(mine);
    answer = { status: 200, body: { sub: 'auth0|grace' } };
    await fleet[0]!.check(his);
    const keys = (await redis.cli('--scan', '--pattern', 'userinfo:v1:*')).split('\n');
    const values = await Promise.all(keys.map((key) => redis.cli('GET', key)));
    for (const [index, key] of keys.entries())
      await redis.cli('SET', key, values[(index + 1) % values.length]!);
    const checked = await fleet[1]!.check(mine);
    expect(checked.active && checked.principal.subject).toBe('auth0|grace');
    expect(asked).toHaveLength(3);
  });

  it('are asked about once by each replica while Redis is away', async () => {
    const token = newToken();
    redis.freeze();
    try {
      for (let i = 0; i < 3; i += 1) await checkEverywhere(token);
      expect(asked).toHaveLength(3);
    } finally {
      await thaw();
    }
  });

  describe('that are made up', () => {
    const newTokens = (count: number) => Array.from({ length: count }, newToken);
    const checkAll = (tokens: string[]) =>
      Promise.allSettled(tokens.map((token, i) => fleet[i % fleet.length]!.check(token)));
    const useUpBudget = async () => {
      answer = REFUSAL;
      await checkAll(newTokens(UNKNOWN_PER_MINUTE));
      asked = [];
    };
    const unavailable = { name: 'UpstreamUnavailable' };

    it('are asked about so often a minute by the whole fleet, however many come; the others are not refused', async () => {
      answer = REFUSAL;
      const answers = await checkAll(newTokens(10 * UNKNOWN_PER_MINUTE));
      expect(asked).toHaveLength(UNKNOWN_PER_MINUTE);
      const refused = answers.filter(({ status }) => status === 'fulfilled');
      expect(refused).toHaveLength(UNKNOWN_PER_MINUTE);
      for (const failed of answers.filter(({ status }) => status === 'rejected')) {
        const { reason } = failed as PromiseRejectedResult;
        expect(reason).toBeInstanceOf(UpstreamUnavailable);
        expect(reason.retryAfterSeconds).toBeGreaterThan(50);
        expect(reason.retryAfterSeconds).toBeLessThanOrEqual(60);
      }
    });

    it('hold nothing against a token that came while the budget was used up', async () => {
      await useUpBudget();
      const honest = newToken();
      await expect(fleet[0]!.check(honest)).rejects.toMatchObject(unavailable);
      // As the end of the minute does.
      await redis.cli('DEL', 'unknown-tokens:v1');
      answer = ADA;
      expect(await fleet[0]!.check(honest)).toMatchObject({ active: true });
    });

    it('lock nobody out whose token was accepted before, or refused', async () => {
      const honest = newToken();
      await fleet[0]!.check(honest);
      answer = REFUSAL;
      const expired = newToken();
      await fleet[0]!.check(expired);
      await useUpBudget();
      answer = ADA;
      expect(await checkEverywhere(honest)).toMatchObject(Array(3).fill({ active: true }));
      expect(await checkEverywhere(expired)).toMatchObject(Array(3).fill({ active: false }));
      await delay(RECHECK_SECONDS * 1000 + 100);
      expect(await checkEverywhere(honest)).toMatchObject(Array(3).fill({ active: true }));
      expect(asked).toHaveLength(1);
    });

    it('are what is counted: tokens that turn out to be good use nothing up', async () => {
      for (const token of newTokens(3 * UNKNOWN_PER_MINUTE)) {
        expect(await fleet[0]!.check(token)).toMatchObject({ active: true });
      }
    });

    it('are counted by each process for itself while Redis is away', async () => {
      const honest = newToken();
      await fleet[0]!.check(honest);
      redis.freeze();
      try {
        answer = REFUSAL;
        asked = [];
        const answers = await checkAll(newTokens(6 * UNKNOWN_PER_MINUTE));
        expect(asked).toHaveLength(fleet.length * UNKNOWN_PER_MINUTE);
        expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(3 * UNKNOWN_PER_MINUTE);
        answer = ADA;
        await delay(RECHECK_SECONDS * 1000);
        expect(await fleet[0]!.check(honest)).toMatchObject({ active: true });
      } finally {
        await thaw();
      }
    });
  });
});

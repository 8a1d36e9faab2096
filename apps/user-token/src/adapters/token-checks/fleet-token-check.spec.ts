import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/store';
import { GENERATION_KEY } from '@app/contract';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { until } from '@app/test-support/timing/until';
import { UpstreamUnavailable, type AuthorizationServer } from '../../core/authorization-server.js';
import { Busy } from '../../core/busy.js';
import { issuedAtForDenials, type CheckedToken } from '../../core/tokens/token-check.js';
import { tokenId } from '../../core/tokens/token-id.js';
import { CountedTokenCheck } from './counted-token-check.js';
import { DatedGrants } from './dated-grants.js';
import { FirstSights } from './first-sights.js';
import { FleetTokenCheck } from './fleet-token-check.js';
import { OpenidAuthorizationServer } from '../auth0/openid-authorization-server.js';
import { PrincipalClaims } from './principal-claims.js';
import { SealedBox } from '../store/sealed-box.js';
import { TokenCheckByForm } from './token-check-by-form.js';
import { UserinfoTokenCheck } from './userinfo-token-check.js';

const RECHECK_SECONDS = 2;
const REFUSAL_SECONDS = 60;
const MAX_LIFETIME_SECONDS = 3_600;
const UNKNOWN_PER_MINUTE = 5;
const ADA = { status: 200, body: { sub: 'auth0|ada' } };
const REFUSAL = { status: 401, body: { error: 'invalid_token' } };
const CHALLENGE = 'Bearer realm="Users", error="invalid_token", error_description="The token has expired"';

const silent = createLogger({ service: 'user-token', environment: 'test', level: 'silent' });
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
  let fleet: TokenCheckByForm[];
  /** How far the clock of the stores is ahead. */
  let aheadMs: number;
  let firstSightsSinceSeconds: (generation: string | null) => number;

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
    stores = [1, 2, 3].map(() => {
      const store = openStore(redis.url);
      const nowMs = store.nowMs.bind(store);
      store.nowMs = () => nowMs() + aheadMs;
      return store;
    });
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
    aheadMs = 0;
    firstSightsSinceSeconds = () => 0;
    fleet = stores.map(replica);
  });

  const box = () => new SealedBox(['a-session-secret-of-32-characters']);
  const sightsOf = (store: SharedStore) =>
    new FirstSights(store, box(), {
      maxTokenLifetimeSeconds: MAX_LIFETIME_SECONDS,
      firstSightsSinceSeconds: (generation) => firstSightsSinceSeconds(generation),
    });

  function replica(store: SharedStore): TokenCheckByForm {
    const authorizationServer = new OpenidAuthorizationServer({
      issuer,
      clientId: 'client',
      clientSecret: 'client-secret',
      audience: 'https://api.test/',
      scope: 'openid',
      timeoutMs: 1_000,
    });
    const userinfo = new UserinfoTokenCheck(
      authorizationServer,
      { issuer, recheckSeconds: RECHECK_SECONDS, nowSeconds: () => store.nowMs() / 1000 },
      new PrincipalClaims([], silent),
    );
    const shared = new FleetTokenCheck(
      userinfo,
      new CountedTokenCheck(userinfo, store, UNKNOWN_PER_MINUTE),
      store,
      box(),
      sightsOf(store),
      { refusalSeconds: REFUSAL_SECONDS, askMs: 3_000 },
    );
    return new TokenCheckByForm(shared, shared, shared);
  }

  async function thaw(): Promise<void> {
    redis.thaw();
    await until(() => stores.every((store) => store.available));
  }
  const pass = (seconds: number) => (aheadMs += seconds * 1000 + 100);
  const issuedAt = (checked: CheckedToken) => checked.active && checked.principal.issuedAtSeconds;
  const mayBeOlder = (checked: CheckedToken) => checked.active && checked.mayBeOlder;
  const storeSeconds = () => stores[0]!.nowMs() / 1000;
  const checkEverywhere = (token: string, times = 1) =>
    Promise.all(Array.from({ length: times }, () => fleet.map((check) => check.check(token))).flat());

  it('cause one question, even if all replicas check them at the same time', async () => {
    const answers = await checkEverywhere(newToken(), 20);
    expect(new Set(answers.map((checked) => checked.active && checked.principal.subject))).toEqual(
      new Set(['auth0|ada']),
    );
    expect(asked).toHaveLength(1);
  });

  it('cause another question once the answer is too old, and keep their first sight', async () => {
    const token = newToken();
    const [first] = await checkEverywhere(token);
    pass(RECHECK_SECONDS);
    const [second] = await checkEverywhere(token);
    expect(asked).toHaveLength(2);
    expect(issuedAt(second!)).toBe(issuedAt(first!));
  });

  it('keep their first sight after Redis was emptied', async () => {
    const token = newToken();
    const first = await fleet[0]!.check(token);
    await redis.cli('FLUSHALL');
    pass(RECHECK_SECONDS);
    const second = await fleet[0]!.check(token);
    expect(asked).toHaveLength(2);
    expect(issuedAt(second)).toBe(issuedAt(first));
  });

  it('of unknown age count as older than any log-out everywhere while Redis is away', async () => {
    const [seen, unseen] = [newToken(), newToken()];
    const before = await fleet[0]!.check(seen);
    pass(RECHECK_SECONDS);
    redis.freeze();
    try {
      expect(await fleet[0]!.check(seen)).toMatchObject({ mayBeOlder: false });
      expect(issuedAt(await fleet[0]!.check(seen))).toBe(issuedAt(before));
      const checked = await fleet[0]!.check(unseen);
      expect(checked.active && issuedAtForDenials(checked)).toBe(0);
      // Only denials use this age. Services see the first sight.
      expect(issuedAt(checked)).toBeGreaterThan(storeSeconds() - 60);
    } finally {
      await thaw();
    }
  });

  it('of unknown age do not get younger when Redis is back', async () => {
    const token = newToken();
    redis.freeze();
    expect(mayBeOlder(await fleet[0]!.check(token))).toBe(true);
    await thaw();
    pass(RECHECK_SECONDS);
    expect(mayBeOlder(await fleet[0]!.check(token))).toBe(true);
    expect(asked).toHaveLength(2);
    expect(mayBeOlder(await fleet[1]!.check(token))).toBe(true);
  });

  it('cause no further question after a refusal', async () => {
    answer = REFUSAL;
    const token = newToken();
    expect((await checkEverywhere(token, 5)).every((checked) => !checked.active)).toBe(true);
    await checkEverywhere(token);
    expect(asked).toHaveLength(1);
  });

  it('cause another question after a 429, which is no answer', async () => {
    answer = { status: 429, body: { error: 'too_many_requests' } };
    const token = newToken();
    await expect(fleet[0]!.check(token)).rejects.toThrow(UpstreamUnavailable);
    answer = ADA;
    expect((await fleet[1]!.check(token)).active).toBe(true);
  });

  it.each([
    ['a word', 'there-is-no-such-opaque-token'],
    ['a length that no issuer uses', 'a'.repeat(40)],
    ['five parts without a JOSE header', 'aaaa.bbbb.cccc.dddd.eeee'],
    ['a JWE without enc', jwe({ alg: 'dir' }, '', 'aaaa', 'bbbb', 'cccc')],
    [
      'a JWE with dir and an encrypted key',
      jwe({ alg: 'dir', enc: 'A256GCM' }, 'aaaa', 'bbbb', 'cccc', 'dddd'),
    ],
  ])('cause no question if they are malformed: %s', async (_title, token) => {
    expect(await checkEverywhere(token)).toMatchObject(Array(3).fill({ active: false, reason: 'malformed' }));
    expect(asked).toEqual([]);
  });

  it('cause a question in the form of a JWE by Auth0', async () => {
    const token = jwe({ alg: 'dir', enc: 'A256GCM', iss: issuer }, '', 'aaaa', newToken(), 'bbbb');
    expect((await fleet[0]!.check(token)).active).toBe(true);
  });

  it('have no use for an answer about another token', async () => {
    const [mine, other] = [newToken(), newToken()];
    await fleet[0]!.check(mine);
    answer = { status: 200, body: { sub: 'auth0|grace' } };
    await fleet[0]!.check(other);
    const keys = (await redis.cli('--scan', '--pattern', 'userinfo:v1:*')).split('\n');
    const values = await Promise.all(keys.map((key) => redis.cli('GET', key)));
    for (const [index, key] of keys.entries())
      await redis.cli('SET', key, values[(index + 1) % values.length]!);
    const checked = await fleet[1]!.check(mine);
    expect(checked.active && checked.principal.subject).toBe('auth0|grace');
    expect(asked).toHaveLength(3);
  });

  it('cause one question of each replica while Redis is away', async () => {
    const token = newToken();
    redis.freeze();
    try {
      for (let i = 0; i < 3; i += 1) await checkEverywhere(token);
      expect(asked).toHaveLength(3);
    } finally {
      await thaw();
    }
  });

  describe('have a first sight that', () => {
    const recordOf = (token: string) => `first-sight:v1:${tokenId(token)}`;
    const REFUSED = { active: false, reason: 'invalid' };
    const noAnswer = { status: 500, body: {} };

    it.each<[string, readonly { status: number; body: object }[]]>([
      ['one refusal', [REFUSAL]],
      ['two refusals', [REFUSAL, REFUSAL]],
      ['refusals and answers in turn', [REFUSAL, ADA, REFUSAL, ADA]],
      ['no answer', [noAnswer]],
      ['a refusal, no answer and a refusal', [REFUSAL, noAnswer, REFUSAL]],
    ])('outlasts %s, at every replica and at one that starts', async (_title, answers) => {
      const token = newToken();
      const first = await fleet[0]!.check(token);
      for (const [index, between] of answers.entries()) {
        pass(REFUSAL_SECONDS);
        answer = between;
        await fleet[index % fleet.length]!.check(token).catch(() => undefined);
      }
      pass(REFUSAL_SECONDS);
      answer = ADA;
      for (const check of [...fleet, ...stores.map(replica)]) {
        const again = await check.check(token);
        expect(again).toMatchObject({ active: true, mayBeOlder: false });
        expect(issuedAt(again)).toBe(issuedAt(first));
      }
    });

    it('is the first check as active, not an earlier refusal', async () => {
      answer = REFUSAL;
      const token = newToken();
      expect(await fleet[0]!.check(token)).toEqual(REFUSED);
      expect(await redis.cli('EXISTS', recordOf(token))).toBe('0');
      pass(REFUSAL_SECONDS);
      answer = ADA;
      const seenAtSeconds = Math.floor(storeSeconds());
      expect(issuedAt(await fleet[1]!.check(token))).toBeGreaterThanOrEqual(seenAtSeconds);
    });

    it('stays for two lives of a token after the last check as active, whatever the later answers', async () => {
      const twoLivesMs = 2 * MAX_LIFETIME_SECONDS * 1000;
      const ttlMs = async (token: string) => Number(await redis.cli('PTTL', recordOf(token)));
      const token = newToken();
      await fleet[0]!.check(token);
      expect(await ttlMs(token)).toBeGreaterThan(twoLivesMs - 60_000);
      expect(await ttlMs(token)).toBeLessThanOrEqual(twoLivesMs);
      await redis.cli('PEXPIRE', recordOf(token), '100000');
      pass(RECHECK_SECONDS);
      answer = REFUSAL;
      await fleet[1]!.check(token);
      expect(await ttlMs(token)).toBeGreaterThan(0);
      expect(await ttlMs(token)).toBeLessThanOrEqual(100_000);
      pass(REFUSAL_SECONDS);
      answer = ADA;
      await fleet[2]!.check(token);
      expect(await ttlMs(token)).toBeGreaterThan(twoLivesMs - 60_000);
    });

    it.each([
      ['one second too short', 1 - MAX_LIFETIME_SECONDS, true],
      ['not known', Infinity, true],
      ['as long as a token lives', -MAX_LIFETIME_SECONDS, false],
    ])(
      'where none was recorded, when the time without loss is %s, says whether the token may be older: and always will',
      async (_title, sinceSeconds, older) => {
        const since = storeSeconds() + sinceSeconds;
        firstSightsSinceSeconds = () => since;
        const token = newToken();
        const checked = await fleet[0]!.check(token);
        expect(mayBeOlder(checked)).toBe(older);
        expect(issuedAt(checked)).toBeGreaterThan(storeSeconds() - 60);
        pass(MAX_LIFETIME_SECONDS);
        firstSightsSinceSeconds = () => 0;
        const again = await replica(stores[1]!).check(token);
        expect(mayBeOlder(again)).toBe(older);
        expect(issuedAt(again)).toBe(issuedAt(checked));
      },
    );

    it('counts by the generation of the same read', async () => {
      firstSightsSinceSeconds = (generation) => (generation === 'whole' ? 0 : Infinity);
      expect(mayBeOlder(await fleet[0]!.check(newToken()))).toBe(true);
      await redis.cli('SET', GENERATION_KEY, 'whole');
      const token = newToken();
      expect(mayBeOlder(await fleet[0]!.check(token))).toBe(false);
      await redis.cli('DEL', GENERATION_KEY);
      pass(RECHECK_SECONDS);
      expect(mayBeOlder(await replica(stores[1]!).check(token))).toBe(false);
    });

    it('is back after a loss once a replica that remembers it checks the token', async () => {
      const token = newToken();
      const first = await fleet[0]!.check(token);
      await redis.cli('FLUSHALL');
      firstSightsSinceSeconds = () => Infinity;
      pass(RECHECK_SECONDS);
      for (const check of [fleet[0]!, fleet[1]!]) {
        const again = await check.check(token);
        expect(again).toMatchObject({ mayBeOlder: false });
        expect(issuedAt(again)).toBe(issuedAt(first));
      }
    });

    it('becomes the sight of an earlier replica, after the record of a later one', async () => {
      const token = newToken();
      const first = await fleet[0]!.check(token);
      await redis.cli('FLUSHALL');
      pass(100);
      const later = await fleet[1]!.check(token);
      expect(issuedAt(later)).toBeGreaterThan(Number(issuedAt(first)) + 90);
      for (const check of [fleet[0]!, fleet[2]!, fleet[1]!]) {
        pass(RECHECK_SECONDS);
        expect(issuedAt(await check.check(token))).toBe(issuedAt(first));
      }
    });

    it('is recorded for all replicas once Redis is back', async () => {
      const token = newToken();
      redis.freeze();
      expect(mayBeOlder(await fleet[0]!.check(token))).toBe(true);
      await thaw();
      await until(async () => (await redis.cli('EXISTS', recordOf(token))) === '1');
      expect(mayBeOlder(await fleet[1]!.check(token))).toBe(true);
    });

    it.each<[string, (another: string) => string]>([
      ['garbled', () => 'garbage'],
      ['empty', () => ''],
      ["another token's", (another) => another],
    ])('does not count if the record is %s: the token may be older', async (_title, forge) => {
      const [token, another] = [newToken(), newToken()];
      await fleet[0]!.check(another);
      await redis.cli('SET', recordOf(token), forge(await redis.cli('GET', recordOf(another))));
      for (const check of [fleet[1]!, fleet[2]!]) {
        expect(mayBeOlder(await check.check(token))).toBe(true);
        pass(RECHECK_SECONDS);
      }
    });

    describe('is the time of the request, for a token that was granted to us,', () => {
      const grantOf = (accessToken: string) => ({
        granted: true as const,
        accessToken,
        refreshToken: undefined,
        expiresInSeconds: 60,
        scope: '',
      });
      const ISSUER_SECONDS = 7;

      /** Takes its time, and gives the token. */
      function granting(accessToken: string): DatedGrants {
        const give = async () => {
          pass(ISSUER_SECONDS);
          return grantOf(accessToken);
        };
        const server = { grantPassword: give, grantRefresh: give } as Partial<AuthorizationServer>;
        return new DatedGrants(server as AuthorizationServer, sightsOf(stores[0]!), storeSeconds);
      }

      it.each<[string, (grants: DatedGrants) => Promise<unknown>]>([
        ['at a log-in', (grants) => grants.grantPassword({ username: 'ada', password: 'secret' })],
        ['at a refresh', (grants) => grants.grantRefresh('refresh-token')],
      ])('%s, even after a recent loss of records', async (_title, grant) => {
        firstSightsSinceSeconds = () => Infinity;
        const token = newToken();
        const askedAtSeconds = Math.floor(storeSeconds());
        await grant(granting(token));
        pass(100);
        const checked = await fleet[1]!.check(token);
        expect(mayBeOlder(checked)).toBe(false);
        expect(issuedAt(checked)).toBeGreaterThanOrEqual(askedAtSeconds);
        expect(issuedAt(checked)).toBeLessThan(askedAtSeconds + ISSUER_SECONDS);
      });

      it('unless there was an earlier sight', async () => {
        const token = newToken();
        const first = await fleet[0]!.check(token);
        pass(100);
        await granting(token).grantRefresh('refresh-token');
        expect(issuedAt(await fleet[1]!.check(token))).toBe(issuedAt(first));
      });

      it('and does not exist for a JWT, which has an iat', async () => {
        await granting('e30.e30.c2ln').grantRefresh('refresh-token');
        expect(await redis.cli('KEYS', 'first-sight:*')).toBe('');
      });

      it('and outlasts an absence of Redis', async () => {
        const token = newToken();
        redis.freeze();
        await granting(token).grantRefresh('refresh-token');
        await thaw();
        firstSightsSinceSeconds = () => Infinity;
        await until(async () => (await redis.cli('EXISTS', recordOf(token))) === '1');
        expect(mayBeOlder(await fleet[1]!.check(token))).toBe(false);
      });
    });
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
    const busy = { name: 'Busy', code: 'busy' };

    it('cause a limited number of questions of the whole fleet per minute; the rest is not refused', async () => {
      answer = REFUSAL;
      const answers = await checkAll(newTokens(10 * UNKNOWN_PER_MINUTE));
      expect(asked).toHaveLength(UNKNOWN_PER_MINUTE);
      const refused = answers.filter(({ status }) => status === 'fulfilled');
      expect(refused).toHaveLength(UNKNOWN_PER_MINUTE);
      for (const failed of answers.filter(({ status }) => status === 'rejected')) {
        const { reason } = failed as PromiseRejectedResult;
        expect(reason).toBeInstanceOf(Busy);
        expect(reason.retryAfterSeconds).toBeGreaterThan(50);
        expect(reason.retryAfterSeconds).toBeLessThanOrEqual(60);
      }
    });

    it('do not hurt a token that came while the budget was used up', async () => {
      await useUpBudget();
      const honest = newToken();
      await expect(fleet[0]!.check(honest)).rejects.toMatchObject(busy);
      // The end of the minute has the same effect.
      await redis.cli('DEL', 'unknown-tokens:v1');
      answer = ADA;
      expect(await fleet[0]!.check(honest)).toMatchObject({ active: true });
    });

    it('lock out no token with an earlier answer', async () => {
      const honest = newToken();
      await fleet[0]!.check(honest);
      answer = REFUSAL;
      const expired = newToken();
      await fleet[0]!.check(expired);
      await useUpBudget();
      answer = ADA;
      expect(await checkEverywhere(honest)).toMatchObject(Array(3).fill({ active: true }));
      expect(await checkEverywhere(expired)).toMatchObject(Array(3).fill({ active: false }));
      pass(RECHECK_SECONDS);
      expect(await checkEverywhere(honest)).toMatchObject(Array(3).fill({ active: true }));
      expect(asked).toHaveLength(1);
    });

    it('count, but active tokens use nothing up', async () => {
      for (const token of newTokens(3 * UNKNOWN_PER_MINUTE)) {
        expect(await fleet[0]!.check(token)).toMatchObject({ active: true });
      }
    });

    it('count in each process for itself while Redis is away', async () => {
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
        pass(RECHECK_SECONDS);
        expect(await fleet[0]!.check(honest)).toMatchObject({ active: true });
      } finally {
        await thaw();
      }
    });
  });
});

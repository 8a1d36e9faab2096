import { asToken } from '@app/test-support/issuer/as-token';
import { jest } from '@jest/globals';
import { subjectKey, type Principal } from '@app/contract';
import { credentialsOf } from './cache-keys.js';
import { ProcessTokenCache, type ProcessTokenCacheOptions } from './process-token-cache.js';

const NOW_SECONDS = 1_800_000_000;

function principal(overrides: Partial<Principal> = {}): Principal {
  return {
    subject: 'auth0|ada',
    clientId: 'web',
    scopes: [],
    permissions: [],
    issuer: 'https://issuer.test/',
    audience: ['https://api.test/'],
    issuedAtSeconds: NOW_SECONDS,
    expiresAtSeconds: NOW_SECONDS + 3600,
    claims: {},
    ...overrides,
  };
}

function cacheOf(options: Partial<ProcessTokenCacheOptions> = {}) {
  const feed = { live: true };
  const cache = new ProcessTokenCache({ maxBytes: 1_000_000, ttlSeconds: 60, ...options }, feed);
  const add = (token: string, who = principal(), epoch = 'e1', verdictAtSeconds = NOW_SECONDS) =>
    cache.add(asToken(token), { principal: who, epoch, verdictAtSeconds }, cache.checkpoint(), NOW_SECONDS);
  const get = (token: string, nowSeconds = NOW_SECONDS) => cache.get(credentialsOf(token), nowSeconds);
  return { feed, cache, add, get };
}

const TAIL = 'the-last-thirty-two-characters-of-it';

describe('the process tier', () => {
  it('knows a token that was added', () => {
    const { add, get } = cacheOf();
    const ada = principal();
    add('a-token', ada);
    expect(get('a-token')).toBe(ada);
  });

  it('tells a token from another one with the same end', () => {
    const { add, get } = cacheOf();
    add(`first.${TAIL}`);
    expect(get(`secnd.${TAIL}`)).toBeUndefined();
    expect(get(TAIL)).toBeUndefined();
    expect(get(`first.${TAIL}`)).toBeDefined();
  });

  it('tells a token from one with the same beginning, or one shorter than a tail', () => {
    const { add, get } = cacheOf();
    add('short');
    expect(get('shor')).toBeUndefined();
    expect(get('shorter')).toBeUndefined();
    expect(get('')).toBeUndefined();
  });

  it('keeps the younger of two tokens with the same end', () => {
    const { add, get } = cacheOf();
    const [ada, bob] = [principal(), principal({ subject: 'auth0|bob' })];
    add(`first.${TAIL}`, ada);
    add(`secnd.${TAIL}`, bob);
    expect(get(`secnd.${TAIL}`)).toBe(bob);
    expect(get(`first.${TAIL}`)).toBeUndefined();
  });

  it.each([
    ['its time to live is over', principal(), NOW_SECONDS + 60],
    ['the token has expired', principal({ expiresAtSeconds: NOW_SECONDS + 5 }), NOW_SECONDS + 5],
  ])('forgets a token when %s', (_, who, nowSeconds) => {
    const { add, get } = cacheOf();
    add('a-token', who);
    expect(get('a-token', nowSeconds - 1)).toBe(who);
    expect(get('a-token', nowSeconds)).toBeUndefined();
    expect(get('a-token')).toBeUndefined();
  });

  it.each([
    ['was reached a while ago', -20, 40],
    ['was reached by a clock that is ahead', 20, 60],
    ['is as old as its time to live', -60, 0],
  ])('trusts a token at most for its time to live when its verdict %s', (_, ageSeconds, trustedSeconds) => {
    const { add, get } = cacheOf();
    add('a-token', principal(), 'e1', NOW_SECONDS + ageSeconds);
    if (trustedSeconds > 0) expect(get('a-token', NOW_SECONDS + trustedSeconds - 1)).toBeDefined();
    expect(get('a-token', NOW_SECONDS + trustedSeconds)).toBeUndefined();
  });

  it('does not trust a token longer after bringing it forward', () => {
    const { add, get } = cacheOf({ maxBytes: 20_000 });
    add('used');
    for (let i = 0; i < 200; i += 1) {
      add(`token-${String(i).padStart(40, '0')}`);
      expect(get('used', NOW_SECONDS + 59)).toBeDefined();
    }
    expect(get('used', NOW_SECONDS + 60)).toBeUndefined();
  });

  it('forgets every token of a subject whose epoch has changed, and no other', () => {
    const { cache, add, get } = cacheOf();
    add('ada-1');
    add('ada-2');
    add('bob', principal({ subject: 'auth0|bob' }));
    cache.onEpoch({ subjectKey: subjectKey('auth0|ada'), epoch: 'e2' });
    expect([get('ada-1'), get('ada-2')]).toEqual([undefined, undefined]);
    expect(get('bob')).toBeDefined();
  });

  it('knows a subject again under the new epoch, and not under the old one', () => {
    const { cache, add, get } = cacheOf();
    add('ada-1');
    cache.onEpoch({ subjectKey: subjectKey('auth0|ada'), epoch: 'e2' });
    add('ada-1', principal(), 'e1');
    expect(get('ada-1')).toBeUndefined();
    add('ada-1', principal(), 'e2');
    expect(get('ada-1')).toBeDefined();
    cache.onEpoch({ subjectKey: subjectKey('auth0|ada'), epoch: 'e3' });
    expect(get('ada-1')).toBeUndefined();
  });

  it('knows nothing while the feed is lost, and nothing older once the feed is back', () => {
    const { feed, cache, add, get } = cacheOf();
    add('a-token');
    const checkpoint = cache.checkpoint();
    feed.live = false;
    expect(get('a-token')).toBeUndefined();
    cache.onFeedChange();
    feed.live = true;
    expect(get('a-token')).toBeUndefined();
    const entry = { principal: principal(), epoch: 'e1', verdictAtSeconds: NOW_SECONDS };
    cache.add(asToken('a-token'), entry, checkpoint, NOW_SECONDS);
    expect(get('a-token')).toBeUndefined();
  });

  describe('in its bounds', () => {
    const tokens = Array.from({ length: 200 }, (_, index) => `token-${String(index).padStart(40, '0')}`);

    it('drops unused tokens, and keeps used ones', () => {
      const { add, get } = cacheOf({ maxBytes: 40_000 });
      for (const token of tokens) {
        add(token);
        expect(get(tokens[0]!)).toBeDefined();
      }
      expect(tokens.filter((token) => get(token)).length).toBeLessThan(40);
    });

    it('revokes tokens not used lately, and tokens brought forward since', () => {
      const { cache, add, get } = cacheOf({ maxBytes: 40_000 });
      add('used');
      add('unused');
      for (const token of tokens.slice(0, 15)) add(token, principal({ subject: `auth0|${token}` }));
      expect(get('used')).toBeDefined();
      cache.onEpoch({ subjectKey: subjectKey('auth0|ada'), epoch: 'e2' });
      expect([get('used'), get('unused')]).toEqual([undefined, undefined]);
    });

    it('does not keep a principal that would fill half of the memory', () => {
      const { add, get } = cacheOf({ maxBytes: 40_000 });
      add('a-token', principal({ claims: { everything: 'x'.repeat(20_000) } }));
      expect(get('a-token')).toBeUndefined();
    });
  });

  describe('as time passes', () => {
    beforeEach(() => jest.useFakeTimers());
    afterEach(() => jest.useRealTimers());

    it('holds no token for longer than its time to live after its last use', () => {
      const { cache, add, get } = cacheOf();
      add('unused');
      add('used', principal(), 'e1');
      jest.advanceTimersByTime(30_000);
      expect(get('used', NOW_SECONDS + 30)).toBeDefined();
      jest.advanceTimersByTime(30_000);
      expect(JSON.stringify(heldBy(cache))).not.toContain('unused');
      expect(JSON.stringify(heldBy(cache))).toContain('Bearer used');
      jest.advanceTimersByTime(30_000);
      expect(JSON.stringify(heldBy(cache))).not.toContain('Bearer used');
    });
  });
});

/** All that the cache refers to, maps spread out. */
function heldBy(value: unknown): unknown {
  if (value instanceof Map) return [...value].map(heldBy);
  if (Array.isArray(value)) return value.map(heldBy);
  if (typeof value !== 'object' || value === null || typeof (value as NodeJS.Timeout).unref === 'function')
    return value;
  if (value.constructor !== Object && value.constructor !== ProcessTokenCache) return undefined;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, heldBy(inner)]));
}

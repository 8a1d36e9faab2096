import { jest } from '@jest/globals';

// lru-cache takes its clock when it is loaded, and 0 for no time at all.
jest.useFakeTimers();
jest.advanceTimersByTime(1);
const { RefusedTokens } = await import('./refused-tokens.js');

describe('the memory of refusals', () => {
  afterAll(() => jest.useRealTimers());

  it('holds a refusal for its time to live, however often it is read', () => {
    const refused = new RefusedTokens({ ttlMs: 1_000, max: 10 });
    refused.add('a', 'expired');
    jest.advanceTimersByTime(1_000);
    expect([refused.reasonOf('a'), refused.reasonOf('b')]).toEqual(['expired', undefined]);
    jest.advanceTimersByTime(1);
    expect(refused.reasonOf('a')).toBeUndefined();
  });

  it('holds nothing with a time to live of 0', () => {
    const refused = new RefusedTokens({ ttlMs: 0, max: 10 });
    refused.add('a', 'expired');
    expect(refused.reasonOf('a')).toBeUndefined();
  });

  it('takes any number that the options allow', () => {
    const refused = new RefusedTokens({ ttlMs: 0.5, max: 1.5 });
    refused.add('a', 'expired');
    expect(refused.reasonOf('a')).toBe('expired');
    jest.advanceTimersByTime(2);
    expect(refused.reasonOf('a')).toBeUndefined();
  });

  it('holds the youngest refusals, and never more than the maximum', () => {
    const refused = new RefusedTokens({ ttlMs: 1_000, max: 10 });
    const keys = Array.from({ length: 103 }, (_, index) => String(index));
    for (const key of keys) refused.add(key, 'invalid');
    const held = keys.filter((key) => refused.reasonOf(key) !== undefined);
    expect(held).toEqual(keys.slice(-10));
  });
});

import { jest } from '@jest/globals';
import { RefusedTokens } from './refused-tokens.js';

describe('the memory of refusals', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('holds a refusal for its time to live, however often it is read', () => {
    const refused = new RefusedTokens({ ttlMs: 1_000, max: 10 });
    refused.add('a', 'expired');
    jest.advanceTimersByTime(999);
    expect([refused.reasonOf('a'), refused.reasonOf('b')]).toEqual(['expired', undefined]);
    jest.advanceTimersByTime(1);
    expect(refused.reasonOf('a')).toBeUndefined();
  });

  it('holds at least the youngest half of the maximum, and never more than the maximum', () => {
    const refused = new RefusedTokens({ ttlMs: 1_000, max: 10 });
    const keys = Array.from({ length: 103 }, (_, index) => String(index));
    for (const key of keys) refused.add(key, 'invalid');
    const held = keys.filter((key) => refused.reasonOf(key) !== undefined);
    expect(held.length).toBeLessThanOrEqual(10);
    expect(held).toEqual(expect.arrayContaining(keys.slice(-5)));
  });
});

import fc from 'fast-check';
import { tokenKey } from './cache-keys.js';

describe('tokenKey', () => {
  it('has one form and differs for different tokens', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.string({ maxLength: 200 }), (one, other) => {
        expect(tokenKey(one)).toMatch(/^tok:v2:[A-Za-z0-9_-]{43}$/);
        expect(tokenKey(one) === tokenKey(other)).toBe(one === other);
      }),
      { numRuns: 20_000 },
    );
  });
});

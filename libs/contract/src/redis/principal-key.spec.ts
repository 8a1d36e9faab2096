import fc from 'fast-check';
import { asToken } from '@app/test-support/issuer/as-token';
import { principalKey } from './redis-names.js';

describe('principalKey', () => {
  it('has one form and differs for different tokens', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), fc.string({ maxLength: 200 }), (one, other) => {
        expect(principalKey(asToken(one))).toMatch(/^tok:v2:[A-Za-z0-9_-]{43}$/);
        expect(principalKey(asToken(one)) === principalKey(asToken(other))).toBe(one === other);
      }),
      { numRuns: 20_000 },
    );
  });
});

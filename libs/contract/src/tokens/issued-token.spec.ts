import { subjectKey } from './subject.js';
import { isCanonicalToken, issuedTokenKind, issuedTokenSubjectKey, newIssuedToken } from '@app/contract';

describe('a token of our own', () => {
  it('tells its kind, is canonical, and names its user by a key', () => {
    for (const kind of ['access', 'refresh'] as const) {
      const token = newIssuedToken(kind, 'auth0|ada');
      expect(issuedTokenKind(token)).toBe(kind);
      expect(isCanonicalToken(token)).toBe(true);
      expect(issuedTokenSubjectKey(token)).toBe(subjectKey('auth0|ada'));
      expect(token).not.toContain('ada');
    }
  });

  it('RFC 6749 section 10.10: never repeats, and sets every bit in half of the tokens', () => {
    const SAMPLES = 50_000;
    const ones = new Uint32Array(256);
    const seen = new Set<string>();
    for (let i = 0; i < SAMPLES; i += 1) {
      const random = newIssuedToken('access', 'x').slice(-43);
      seen.add(random);
      const bytes = Buffer.from(random, 'base64url');
      for (let bit = 0; bit < 256; bit += 1) ones[bit]! += (bytes[bit >> 3]! >> (bit & 7)) & 1;
    }
    expect(seen.size).toBe(SAMPLES);
    // Seven standard deviations: a fair source fails this once in 10^9 runs.
    const tolerance = 7 * Math.sqrt(SAMPLES / 4);
    for (const count of ones) expect(Math.abs(count - SAMPLES / 2)).toBeLessThan(tolerance);
  });

  it.each([
    ['nothing', ''],
    ['another prefix', `vxt-${'A'.repeat(86)}`],
    ['one character less', `vat-${'A'.repeat(85)}`],
    ['one character more', `vat-${'A'.repeat(87)}`],
    ['a dot', `vat-${'A'.repeat(85)}.`],
    ['a JWT', 'e30.e30.c2ln'],
  ])('is not %s', (_title, token) => {
    expect(issuedTokenKind(token)).toBeUndefined();
    expect(issuedTokenSubjectKey(token)).toBeUndefined();
  });
});

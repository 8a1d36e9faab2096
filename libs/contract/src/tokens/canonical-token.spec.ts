import fc from 'fast-check';
import { isCanonicalToken, isJwt, MAX_TOKEN_LENGTH } from '@app/contract';

const part = fc
  .uint8Array({ minLength: 1, maxLength: 40 })
  .map((bytes) => Buffer.from(bytes).toString('base64url'));
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

describe('isCanonicalToken', () => {
  it('accepts every JWT as its issuer spells it', () => {
    fc.assert(
      fc.property(part, part, part, (header, payload, signature) => {
        expect(isCanonicalToken([header, payload, signature].join('.'))).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('rejects every other spelling of the same bytes', () => {
    fc.assert(
      fc.property(part, part, part, (header, payload, signature) => {
        for (const last of ALPHABET) {
          const respelled = signature.slice(0, -1) + last;
          const sameBytes = Buffer.from(respelled, 'base64url').equals(Buffer.from(signature, 'base64url'));
          if (!sameBytes || respelled === signature) continue;
          expect(isCanonicalToken([header, payload, respelled].join('.'))).toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['an empty token', ''],
    ['padding on a JWT', 'YWJj.YWJj.YWI='],
    ['a line break', 'YWJj.YWJj.YWJj\n'],
    ['a space', 'YWJj.YWJj.YWJj '],
    ['a part of an impossible length', 'YWJj.YWJj.YWJjY'],
    ['an empty part', 'YWJj..YWJj'],
    ['an alphabet that is not base64url', 'YWJj.YWJj.YW+/'],
    ['two parts', 'YWJjYWJjYWJjYWJj.YWJj'],
    ['four parts', 'YWJj.YWJj.YWJj.YWJj'],
    ['an opaque token that is too short', 'a'.repeat(15)],
    ['a token that is too long', 'a'.repeat(MAX_TOKEN_LENGTH + 1)],
    ['a letter outside of ASCII', 'ä'.repeat(20)],
  ])('does not take %s', (_title, token) => {
    expect(isCanonicalToken(token)).toBe(false);
  });

  it('takes a longer JWT only where the caller says so', () => {
    const long = `${'YWJj'.repeat(MAX_TOKEN_LENGTH / 4)}.YWJj.YWJj`;
    expect(isCanonicalToken(long)).toBe(false);
    expect(isCanonicalToken(long, Infinity)).toBe(true);
    expect(isCanonicalToken(`${long}=`, Infinity)).toBe(false);
  });

  it('accepts opaque tokens, JWEs among them', () => {
    expect(isCanonicalToken('a'.repeat(16))).toBe(true);
    expect(isCanonicalToken('eyJhbGciOiJkaXIi..YWJj.YWJj.YWJj')).toBe(true);
    expect(isJwt('eyJhbGciOiJkaXIi..YWJj.YWJj.YWJj')).toBe(false);
  });
});

import { hashPassword, parsePasswordHash, passwordMatches, type PasswordHash } from './password-hash.js';

function parsed(text: string): PasswordHash {
  const hash = parsePasswordHash(text);
  if (typeof hash === 'string') throw new Error(hash);
  return hash;
}

describe('password hashes', () => {
  it('match only their own password', async () => {
    const hash = parsed(await hashPassword('analytical-engine-1843'));
    expect(await passwordMatches('analytical-engine-1843', hash)).toBe(true);
    expect(await passwordMatches('analytical-engine-1844', hash)).toBe(false);
  });

  it.each([
    ['the 73rd byte', 'A'.repeat(72) + 'x', 'A'.repeat(72) + 'y'],
    ['a blank at the end', 'password', 'password '],
    ['case', 'password', 'Password'],
    ['composed and decomposed letters', 'caf\u00e9', 'cafe\u0301'],
  ])('tell %s apart', async (_, password, other) => {
    const hash = parsed(await hashPassword(password));
    expect(await passwordMatches(password, hash)).toBe(true);
    expect(await passwordMatches(other, hash)).toBe(false);
  });

  it('of one password differ by their salt', async () => {
    expect(await hashPassword('same')).not.toBe(await hashPassword('same'));
  });

  const salt = 'A'.repeat(22);
  const hash = 'B'.repeat(43);
  it.each([
    ['a plain password', 'secret', /form/],
    ['another algorithm', `argon2$N=16384,r=8,p=1$${salt}$${hash}`, /form/],
    ['a cost that is no power of two', `scrypt$N=20000,r=8,p=1$${salt}$${hash}`, /N is/],
    ['a low cost', `scrypt$N=1024,r=8,p=1$${salt}$${hash}`, /N is/],
    ['a cost that would take gigabytes', `scrypt$N=4194304,r=8,p=1$${salt}$${hash}`, /N is/],
    ['a small block', `scrypt$N=16384,r=1,p=1$${salt}$${hash}`, /r is/],
    ['no parallelization', `scrypt$N=16384,r=8,p=0$${salt}$${hash}`, /p is/],
    ['a short salt', `scrypt$N=16384,r=8,p=1$AAAA$${hash}`, /salt/],
    ['a short hash', `scrypt$N=16384,r=8,p=1$${salt}$BBBB`, /hash/],
  ])('refuse %s and do not quote it', (_, text, reason) => {
    expect(parsePasswordHash(text)).toMatch(reason);
    expect(parsePasswordHash(text)).not.toContain(hash);
  });
});

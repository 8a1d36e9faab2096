import {
  passwordMatches,
  hashPassword,
  parsePasswordHash,
  type PasswordHash,
} from '../../core/password-hash.js';
import type { SeedUser } from './load-seed.js';
import { SeedCredentialCheck } from './seed-users.js';

const PASSWORD = 'right';
const realm = 'Users';

async function seedUser(name: string, work: Partial<PasswordHash> = {}): Promise<SeedUser> {
  const passwordHash = parsePasswordHash(await hashPassword(PASSWORD, work));
  if (typeof passwordHash === 'string') throw new Error(passwordHash);
  const email = `${name}@example.com`;
  const user = {
    userId: name,
    email,
    emailVerified: true,
    blocked: false,
    profile: {},
    permissions: new Map(),
  };
  return { user, connection: realm, passwordHash };
}

describe('SeedCredentialCheck', () => {
  let derived: string[];
  const check = (users: readonly SeedUser[]) =>
    new SeedCredentialCheck(users, (password, hash) => {
      const { cost, blockSize, parallelization } = hash;
      derived.push(`N=${cost},r=${blockSize},p=${parallelization}`);
      return passwordMatches(password, hash);
    });

  beforeEach(() => {
    derived = [];
  });

  it('does the same work for every user name, known or not, whatever the hash costs', async () => {
    const users = await Promise.all([
      seedUser('usual'),
      seedUser('costly', { cost: 32_768 }),
      seedUser('parallel', { parallelization: 2 }),
    ]);
    const subject = check(users);
    const works = ['N=16384,r=8,p=1', 'N=32768,r=8,p=1', 'N=16384,r=8,p=2'];
    for (const { user } of users) {
      for (const [password, ok] of [
        [PASSWORD, true],
        ['wrong', false],
      ] as const) {
        derived = [];
        expect(await subject.check({ username: user.email, password, realm })).toMatchObject({ ok });
        expect(derived).toEqual(works);
      }
    }
    for (const who of [
      { username: 'unknown@example.com', realm },
      { username: 'usual@example.com', realm: 'Others' },
    ]) {
      derived = [];
      expect(await subject.check({ ...who, password: PASSWORD })).toEqual({ ok: false });
      expect(derived).toEqual(works);
    }
  });

  it('does the work of the stored hashes, not of a new hash', async () => {
    const costly = check([await seedUser('costly', { cost: 32_768 })]);
    await costly.check({ username: 'unknown@example.com', password: PASSWORD, realm });
    expect(derived).toEqual(['N=32768,r=8,p=1']);
  });

  it('does work without any user', async () => {
    expect(await check([]).check({ username: 'x', password: PASSWORD, realm })).toEqual({ ok: false });
    expect(derived).toEqual(['N=16384,r=8,p=1']);
  });
});

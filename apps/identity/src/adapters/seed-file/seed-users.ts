import {
  CredentialCheck,
  UserDirectory,
  type Credentials,
  type CredentialVerdict,
} from '../../core/credential-check.js';
import type { User } from '../../core/directory.js';
import {
  decoyPasswordHash,
  isSameWork,
  passwordMatches,
  type PasswordHash,
} from '../../core/password-hash.js';
import type { SeedUser } from './load-seed.js';

/** E-mail addresses are compared without case. */
const userKey = (connection: string, email: string) => JSON.stringify([connection, email.toLowerCase()]);

/**
 * The default {@link CredentialCheck}: the users of the seed file.
 *
 * Each check does the work of each kind of user hash once: the user's own hash for its kind, decoys for the others. So the time
 * reveals neither known users nor the kind of a user's hash.
 */
export class SeedCredentialCheck extends CredentialCheck {
  private readonly users: ReadonlyMap<string, SeedUser>;
  private readonly decoys: readonly PasswordHash[];

  constructor(
    users: readonly SeedUser[],
    private readonly matches: (password: string, hash: PasswordHash) => Promise<boolean> = passwordMatches,
  ) {
    super();
    this.users = new Map(users.map((entry) => [userKey(entry.connection, entry.user.email), entry]));
    const hashes = users.map(({ passwordHash }) => passwordHash);
    const works = hashes.filter((hash, i) => hashes.findIndex((other) => isSameWork(other, hash)) === i);
    this.decoys = works.length === 0 ? [decoyPasswordHash()] : works.map(decoyPasswordHash);
  }

  override async check({ username, password, realm }: Credentials): Promise<CredentialVerdict> {
    const found = this.users.get(userKey(realm, username));
    let right = false;
    for (const decoy of this.decoys) {
      const own = found && isSameWork(found.passwordHash, decoy) ? found.passwordHash : undefined;
      const matches = await this.matches(password, own ?? decoy);
      right ||= own !== undefined && matches;
    }
    return found && right ? { ok: true, user: found.user } : { ok: false };
  }
}

/** The default {@link UserDirectory}: the users of the seed file. */
export class SeedUserDirectory extends UserDirectory {
  private readonly users: ReadonlyMap<string, User>;

  constructor(users: readonly SeedUser[]) {
    super();
    this.users = new Map(users.map(({ user }) => [user.userId, user]));
  }

  override find(userId: string): Promise<User | undefined> {
    return Promise.resolve(this.users.get(userId));
  }
}

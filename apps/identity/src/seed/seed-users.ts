import {
  CredentialCheck,
  UserDirectory,
  type Credentials,
  type CredentialVerdict,
} from '../core/credential-check.js';
import type { User } from '../core/directory.js';
import { decoyPasswordHash, passwordMatches } from '../core/password-hash.js';
import type { SeedUser } from './load-seed.js';

/** E-mail addresses are compared without regard to case, as Auth0's database connections do. */
const userKey = (connection: string, email: string) => JSON.stringify([connection, email.toLowerCase()]);

/** The default {@link CredentialCheck}: the users of the seed file. */
export class SeedCredentialCheck extends CredentialCheck {
  readonly #users: ReadonlyMap<string, SeedUser>;
  readonly #decoy = decoyPasswordHash();

  constructor(users: readonly SeedUser[]) {
    super();
    this.#users = new Map(users.map((entry) => [userKey(entry.connection, entry.user.email), entry]));
  }

  override async check({ username, password, realm }: Credentials): Promise<CredentialVerdict> {
    const found = this.#users.get(userKey(realm, username));
    const right = await passwordMatches(password, found?.passwordHash ?? this.#decoy);
    return found && right ? { ok: true, user: found.user } : { ok: false };
  }
}

/** The default {@link UserDirectory}: the users of the seed file. */
export class SeedUserDirectory extends UserDirectory {
  readonly #users: ReadonlyMap<string, User>;

  constructor(users: readonly SeedUser[]) {
    super();
    this.#users = new Map(users.map(({ user }) => [user.userId, user]));
  }

  override find(userId: string): Promise<User | undefined> {
    return Promise.resolve(this.#users.get(userId));
  }
}

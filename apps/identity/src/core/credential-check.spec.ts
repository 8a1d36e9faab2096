import { decodeJwt } from 'jose';
import { IdentityUnderTest } from '@app/test-support/issuer/identity-under-test';
import { APP, ownSeed } from '@app/test-support/issuer/own-seed';
import { CredentialCheck, UserDirectory, type User } from '../index.js';

describe('users in another directory', () => {
  const eve: User = {
    userId: 'ldap|eve',
    email: 'eve@example.com',
    emailVerified: true,
    blocked: false,
    profile: {},
    permissions: new Map(),
  };
  let users: readonly User[] = [eve];

  class AnyEve extends CredentialCheck {
    override async check({ username }: { username: string }) {
      return username === 'eve' ? ({ ok: true, user: eve } as const) : ({ ok: false } as const);
    }
  }
  class Eves extends UserDirectory {
    override async find(userId: string) {
      return users.find((user) => user.userId === userId);
    }
  }

  it('are looked for at the log-in and at each refresh', async () => {
    const accounts = { credentialCheck: new AnyEve(), users: new Eves() };
    const identity = await IdentityUnderTest.start(APP, { seed: ownSeed, accounts });
    const scope = 'openid offline_access';
    const { body } = await identity.token({
      grant_type: 'password',
      username: 'eve',
      password: 'any',
      scope,
    });
    expect(decodeJwt(body.id_token).sub).toBe('ldap|eve');
    users = [{ ...eve, blocked: true }];
    expect(await identity.refresh(body.refresh_token)).toMatchObject({
      status: 403,
      body: { error: 'invalid_grant', error_description: 'user is blocked' },
    });
    users = [];
    expect((await identity.refresh(body.refresh_token)).body.error_description).toMatch(
      /doesn't exist anymore/,
    );
    users = [eve];
    expect((await identity.refresh(body.refresh_token)).status).toBe(200);
    await identity.stop();
  });
});

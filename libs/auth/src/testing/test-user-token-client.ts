import type { RequestOf, ResultOf } from '@app/contract';
import { UserTokenClient } from '@app/user-token-client';
import type { TestTokenVerifier } from './test-users.js';

/**
 * Replaces the client of user-token: knows the users of the tests, and can revoke them. It answers everything else as if
 * user-token were away; for another answer, a spec replaces the method by its own function.
 */
export class TestUserTokenClient extends UserTokenClient {
  constructor(private readonly users: TestTokenVerifier) {
    super({ urls: 'tcp://127.0.0.1:1' });
    // It never connects.
    this.close();
  }

  override verify({ accessToken }: RequestOf<'verify'>): Promise<ResultOf<'verify'>> {
    return this.users.verify(accessToken);
  }

  override async revokeSubject({ subject }: RequestOf<'revokeSubject'>): Promise<ResultOf<'revokeSubject'>> {
    this.users.revoke(subject);
    return { revoked: true };
  }
}

import type { Verdict, VerifyRequest } from '@app/contract';
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

  override verify({ accessToken }: VerifyRequest): Promise<Verdict> {
    return this.users.verify(accessToken);
  }

  override async revokeSubject({ subject }: { readonly subject: string }): Promise<void> {
    this.users.revoke(subject);
  }
}

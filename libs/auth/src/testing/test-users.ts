import type { Principal, Verdict } from '@app/contract';
import { TokenVerifier } from '../tokens/token-verifier.js';

const ISSUER = 'https://issuer.test/';

/**
 * Request headers of a user that {@link TestTokenVerifier} knows.
 *
 * @example await request(server).get('/venues').set(asUser({ subject: 'auth0|ada', scopes: ['read:venues'] }))
 */
export function asUser(user: Partial<Principal> = {}): { authorization: string } {
  const token = Buffer.from(JSON.stringify(user)).toString('base64url');
  return { authorization: `Bearer a-user-of-the-tests~${token}` };
}

/** Replaces user-token: believes the tokens of {@link asUser} and refuses all others. */
export class TestTokenVerifier extends TokenVerifier {
  private readonly revoked = new Set<string>();

  constructor(private readonly audience: readonly string[]) {
    super();
  }

  /** From now on the tokens of this user are refused. */
  revoke(subject: string): void {
    this.revoked.add(subject);
  }

  override verify(accessToken: string): Promise<Verdict> {
    const [, encoded] = /^a-user-of-the-tests~([A-Za-z0-9_-]*)$/.exec(accessToken) ?? [];
    if (encoded === undefined) return Promise.resolve({ active: false, reason: 'invalid' });
    const nowSeconds = Math.floor(Date.now() / 1000);
    const principal: Principal = {
      subject: 'auth0|test-user',
      scopes: [],
      permissions: [],
      issuer: ISSUER,
      audience: [...this.audience],
      issuedAtSeconds: nowSeconds,
      expiresAtSeconds: nowSeconds + 3600,
      claims: {},
      ...(JSON.parse(Buffer.from(encoded, 'base64url').toString()) as Partial<Principal>),
    };
    if (this.revoked.has(principal.subject)) return Promise.resolve({ active: false, reason: 'revoked' });
    return Promise.resolve({ active: true, principal, epoch: null });
  }
}

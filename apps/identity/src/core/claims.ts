/** OpenID Connect claims (Core section 5.1 and 5.4) of a user. */
import type { User } from './directory.js';

/** The claims of each scope. */
export const claimsByScope: Readonly<Record<string, readonly string[]>> = {
  openid: ['sub'],
  profile: ['name', 'nickname', 'given_name', 'family_name', 'picture'],
  email: ['email', 'email_verified'],
};

export interface UserClaims {
  readonly sub: string;
  readonly [claim: string]: unknown;
}

/** Every known claim of a user. */
export function claimsOf({ userId, email, emailVerified, profile }: User): UserClaims {
  return { ...profile, email, email_verified: emailVerified, sub: userId };
}

/** The claims of these scopes. */
export function claimsFor(user: User, scopes: readonly string[]): UserClaims {
  const open = new Set(scopes.flatMap((scope) => claimsByScope[scope] ?? []));
  const claims = Object.entries(claimsOf(user)).filter(([name]) => open.has(name));
  return { ...Object.fromEntries(claims), sub: user.userId };
}

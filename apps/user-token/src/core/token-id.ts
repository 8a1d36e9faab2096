import { hash } from 'node:crypto';

/**
 * Identity of a token whatever its spelling: SHA-256 of what the issuer signed, since Auth0's own token profile has no
 * `jti`; of the whole for an opaque token.
 */
export function tokenId(accessToken: string): string {
  const parts = accessToken.split('.');
  const signed = parts.length === 3 ? `${parts[0]}.${parts[1]}` : accessToken;
  return hash('sha256', signed, 'base64url');
}

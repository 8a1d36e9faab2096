import { hash } from 'node:crypto';

/**
 * Identity of a token in any spelling: SHA-256 of the part that the issuer signed, since Auth0's own token profile has no `jti`. For
 * an opaque token it is the hash of the whole.
 */
export function tokenId(accessToken: string): string {
  const parts = accessToken.split('.');
  const signed = parts.length === 3 ? `${parts[0]}.${parts[1]}` : accessToken;
  return hash('sha256', signed, 'base64url');
}

import { hash } from 'node:crypto';

/** Names a token without revealing it: SHA-256, base64url. */
export function tokenHash(token: string): string {
  return hash('sha256', token, 'base64url');
}

import { hash } from 'node:crypto';
import { principalKey } from '@app/contract';

/** The credentials of a token as an Authorization header holds them (RFC 9110 section 11.4), in their plain spelling. */
export function credentialsOf(token: string): string {
  return `Bearer ${token}`;
}

/** The token of credentials in their plain spelling. */
export function tokenIn(credentials: string): string {
  return credentials.slice('Bearer '.length);
}

/** Key of a token in Redis and among refusals, by its SHA-256. The token itself is never stored there. */
export function tokenKey(token: string): string {
  return principalKey(hash('sha256', token, 'base64url'));
}

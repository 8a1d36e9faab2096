/** The credentials of a token as an Authorization header holds them (RFC 9110 section 11.4), in their plain spelling. */
export function credentialsOf(token: string): string {
  return `Bearer ${token}`;
}

/** The token of credentials in their plain spelling. */
export function tokenIn(credentials: string): string {
  return credentials.slice('Bearer '.length);
}

import { MAX_TOKEN_LENGTH } from '../limits.js';

/** Shortest opaque token Auth0 ever issued. */
const MIN_OPAQUE_LENGTH = 16;

const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;
/** The three parts of a signed JWT (RFC 7515 section 3.1), found in one pass: most tokens are JWTs, and long. */
const JWT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;

/** Whether a text is a `b64token` (RFC 6750 section 2.1). */
export function isB64Token(text: string): boolean {
  return B64TOKEN.test(text);
}

declare const canonical: unique symbol;

/**
 * A token in the one spelling of its issuer. Only such a token is looked up, asked about and revoked: a JWT has many spellings that
 * verify (the unused bits of the last character of a part), and one token must be one cache key and one revocation.
 */
export type CanonicalToken = string & { readonly [canonical]: true };

/**
 * The only way to a {@link CanonicalToken}.
 *
 * @param maxLength in characters. Default {@link MAX_TOKEN_LENGTH}, which is for tokens that a request carries
 */
export function isCanonicalToken(token: string, maxLength = MAX_TOKEN_LENGTH): token is CanonicalToken {
  if (token.length > maxLength) return false;
  const jwt = JWT.exec(token);
  if (jwt) return endsCanonically(jwt[1]!) && endsCanonically(jwt[2]!) && endsCanonically(jwt[3]!);
  if (!isB64Token(token)) return false;
  const parts = token.split('.');
  if (parts.length === 1) return token.length >= MIN_OPAQUE_LENGTH;
  // A JWE, today's form of Auth0's opaque tokens; the second part is empty under `alg: dir`.
  return parts.length === 5 && parts.every((part) => BASE64URL.test(part) && endsCanonically(part));
}

/** Whether a canonical token is a signed JWT; only the issuer can read the others. */
export function isJwt(token: string): boolean {
  return token.split('.').length === 3;
}

const BASE64URL = /^[A-Za-z0-9_-]*$/;
/** Last characters whose unused bits are zero: 4 unused bits after 2 characters, 2 after 3. */
const TAIL = ['', undefined, 'AQgw', 'AEIMQUYcgkosw048'] as const;

function endsCanonically(part: string): boolean {
  const rest = part.length % 4;
  if (rest === 0) return true;
  return TAIL[rest]?.includes(part.at(-1)!) ?? false;
}

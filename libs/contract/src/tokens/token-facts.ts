import { isJwt } from './canonical-token.js';
import type { Principal } from './principal.js';

/** The facts of an access token that a log may show: in printable ASCII, and cut. */
export interface TokenFacts {
  readonly alg?: string;
  readonly kid?: string;
  readonly issuer?: string;
  readonly audience?: string;
}

const MAX_SHOWN_LENGTH = 128;
const MAX_SHOWN_AUDIENCES = 4;

/**
 * @param token or its principal. The facts of a token may be unverified; there are none for an opaque one, or one that is no JWT
 */
export function tokenFacts(token: string | Principal): TokenFacts {
  if (typeof token !== 'string')
    return { ...shown('issuer', token.issuer), ...shown('audience', token.audience) };
  if (!isJwt(token)) return {};
  const [header, payload] = token.split('.').slice(0, 2).map(objectOf);
  return {
    ...shown('alg', header?.['alg']),
    ...shown('kid', header?.['kid']),
    ...shown('issuer', payload?.['iss']),
    ...shown('audience', payload?.['aud']),
  };
}

function objectOf(part: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(Buffer.from(part, 'base64url').toString())) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function shown(name: keyof TokenFacts, value: unknown): TokenFacts {
  return value === undefined ? {} : { [name]: textOf(value) };
}

/** A text as it is, a list of texts with commas; for any other value its type. */
function textOf(value: unknown): string {
  const texts: unknown[] = Array.isArray(value) ? value.slice(0, MAX_SHOWN_AUDIENCES) : [value];
  const text = texts
    .map((entry) => (typeof entry === 'string' ? entry.slice(0, MAX_SHOWN_LENGTH) : `<${typeof entry}>`))
    .join(', ');
  return text.slice(0, MAX_SHOWN_LENGTH).replace(/[^\x20-\x7e]/g, '?');
}

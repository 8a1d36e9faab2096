// RFC 7517 section 5: a key that is malformed or not for us is ignored; the rest of the set counts.
import { createLocalJWKSet, errors, type JWK } from 'jose';

export interface UsableKeys {
  readonly usable: readonly JWK[];
  /** Faults of the other keys, in words for a log; undefined if there are none. */
  readonly skipped: string | undefined;
}

const ALGORITHM = 'RS256';
const MIN_MODULUS_BITS = 2_048;
const MAX_NAMED = 5;

/** The keys of a set that can verify here: public RSA keys of at least 2,048 bits, for RS256 signatures. */
export async function usableKeysOf(keys: readonly unknown[]): Promise<UsableKeys> {
  const faults = await Promise.all(keys.map(faultOf));
  const named = faults.flatMap((fault, index) => (fault === undefined ? [] : [`key ${index + 1} ${fault}`]));
  const more = named.length > MAX_NAMED ? [`and ${named.length - MAX_NAMED} more`] : [];
  return {
    usable: keys.filter((_key, index) => faults[index] === undefined) as JWK[],
    skipped: named.length === 0 ? undefined : [...named.slice(0, MAX_NAMED), ...more].join(', '),
  };
}

/** jose decides: would it use the key for a token if there were no other key? */
async function faultOf(key: unknown): Promise<string | undefined> {
  if (typeof key !== 'object' || key === null || Array.isArray(key)) return 'is not an object';
  if (typeof (key as JWK).kty !== 'string') return 'has no kty';
  try {
    const imported = await createLocalJWKSet({ keys: [key] })({ alg: ALGORITHM });
    const { modulusLength = 0 } = imported.algorithm as { modulusLength?: number };
    return modulusLength < MIN_MODULUS_BITS ? `has less than ${MIN_MODULUS_BITS} bits` : undefined;
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey) return `is not for ${ALGORITHM}`;
    return error instanceof errors.JWKSInvalid ? 'is not a public key' : 'cannot be read';
  }
}

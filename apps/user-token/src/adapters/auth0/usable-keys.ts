// RFC 7517 section 5: keys of a set that make no sense, or are not for us, are to be ignored, not the set.
import { createLocalJWKSet, errors, type JWK } from 'jose';

export interface UsableKeys {
  readonly usable: readonly JWK[];
  /** Why others are not used, in words for a log; undefined where all are. */
  readonly skipped: string | undefined;
}

const ALGORITHM = 'RS256';
const MIN_MODULUS_BITS = 2_048;
const MAX_NAMED = 5;

/** What of a set's `keys` can verify here: public RSA keys of at least 2,048 bits, not meant for anything else. */
export async function usableKeysOf(keys: readonly unknown[]): Promise<UsableKeys> {
  const faults = await Promise.all(keys.map(faultOf));
  const named = faults.flatMap((fault, index) => (fault === undefined ? [] : [`key ${index + 1} ${fault}`]));
  const more = named.length > MAX_NAMED ? [`and ${named.length - MAX_NAMED} more`] : [];
  return {
    usable: keys.filter((_key, index) => faults[index] === undefined) as JWK[],
    skipped: named.length === 0 ? undefined : [...named.slice(0, MAX_NAMED), ...more].join(', '),
  };
}

/** jose has the say: by itself, would it take the key for a token? */
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

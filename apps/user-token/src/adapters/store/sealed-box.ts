import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';

const IV_BYTES = 12;
const TAG_BYTES = 16;
/** One use case seals and opens several values of the same few tokens, and a derivation costs more than a seal. */
const MAX_DERIVED = 256;

/**
 * AES-256-GCM under a key that is derived (HKDF, RFC 5869) from a secret of this deployment and from key material. A copy of Redis opens
 * nothing. Where the key material is a credential, the secret opens nothing either without it; where it is a subject, which is
 * no secret, the secret and the subject together open the value. The place where a value is stored is authenticated
 * with it, so a value that was moved does not open.
 *
 * @param secrets the first seals, all open, so that a secret can be rotated
 * @param onUnopened told of each value that does not open
 */
export class SealedBox {
  private readonly derived: readonly LRUCache<string, Buffer>[];

  constructor(
    secrets: readonly string[],
    private readonly onUnopened: () => void = () => undefined,
  ) {
    if (secrets.length === 0) throw new TypeError('SealedBox needs at least one secret');
    this.derived = secrets.map(
      (secret) =>
        new LRUCache({ max: MAX_DERIVED, memoMethod: (keyMaterial) => deriveKey(keyMaterial, secret) }),
    );
  }

  seal(keyMaterial: string, place: string, content: string): string {
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.derived[0]!.memo(keyMaterial), iv);
    cipher.setAAD(Buffer.from(place));
    const sealed = Buffer.concat([iv, cipher.update(content, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return sealed.toString('base64url');
  }

  /** @returns undefined when the value is not one that was sealed for this token, in this place, under one of the secrets */
  open(keyMaterial: string, place: string, sealed: string): string | undefined {
    for (const keys of this.derived) {
      const content = tryOpen(keys.memo(keyMaterial), place, Buffer.from(sealed, 'base64url'));
      if (content !== undefined) return content;
    }
    this.onUnopened();
    return undefined;
  }
}

function deriveKey(keyMaterial: string, secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', keyMaterial, secret, 'session:v1', 32));
}

function tryOpen(key: Buffer, place: string, sealed: Buffer): string | undefined {
  if (sealed.length < IV_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, IV_BYTES));
  decipher.setAAD(Buffer.from(place));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    const content = decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES));
    return Buffer.concat([content, decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}

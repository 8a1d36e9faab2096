import { hkdfSync, randomBytes } from 'node:crypto';
import { decrypt, encrypt, NONCE_BYTES, TAG_BYTES } from '@app/store';
import { LRUCache } from 'lru-cache';

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
    const key = this.derived[0]!.memo(keyMaterial);
    const { nonce, text, tag } = encrypt(key, randomBytes(NONCE_BYTES), content, place);
    return Buffer.concat([nonce, text, tag]).toString('base64url');
  }

  /** @returns undefined for a value that was not sealed for this token, in this place, under one of the secrets */
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
  if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const parts = {
    nonce: sealed.subarray(0, NONCE_BYTES),
    text: sealed.subarray(NONCE_BYTES, -TAG_BYTES),
    tag: sealed.subarray(-TAG_BYTES),
  };
  try {
    return decrypt(key, parts, place);
  } catch {
    return undefined;
  }
}

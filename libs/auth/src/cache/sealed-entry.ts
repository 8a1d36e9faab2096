import { createCipheriv, createDecipheriv, hash, randomFillSync } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** In base64url: the nonce, the tag, then the text. */
const NONCE_CHARS = 16;
const TAG_CHARS = 22;
/** Drawn together: random bytes cost Node as much for a few as for many. */
const NONCES_DRAWN = 256;

/**
 * Seals entries in Redis: AES-256-GCM under one key per entry, derived from the secret, its place and the store's generation
 * (NIST SP 800-56C, one step). A forged, garbled or moved value does not open, nor does one of another generation.
 */
export class EntrySeal {
  private readonly nonces = Buffer.alloc(NONCES_DRAWN * NONCE_BYTES);
  private nextNonceAt = this.nonces.length;

  constructor(private readonly secret: string) {}

  seal(place: string, generation: string, text: string): string {
    const nonce = this.newNonce();
    const cipher = createCipheriv(ALGORITHM, this.keyOf(place, generation), nonce);
    // GCM output is as long as its input; its end adds only the tag.
    const sealed = cipher.update(text, 'utf8');
    cipher.final();
    return `${nonce.toString('base64url')}${cipher.getAuthTag().toString('base64url')}${sealed.toString('base64url')}`;
  }

  /** @throws for a value not sealed under this place and generation */
  open(place: string, generation: string, sealed: string): string {
    // Decoded part by part: slicing a Buffer would cost more than the decryption.
    const nonce = Buffer.from(sealed.slice(0, NONCE_CHARS), 'base64url');
    const decipher = createDecipheriv(ALGORITHM, this.keyOf(place, generation), nonce, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAuthTag(Buffer.from(sealed.slice(NONCE_CHARS, NONCE_CHARS + TAG_CHARS), 'base64url'));
    const text = decipher.update(sealed.slice(NONCE_CHARS + TAG_CHARS), 'base64url');
    decipher.final();
    return text.toString();
  }

  /** Valid until the next call. */
  private newNonce(): Buffer {
    if (this.nextNonceAt === this.nonces.length) {
      randomFillSync(this.nonces);
      this.nextNonceAt = 0;
    }
    return this.nonces.subarray(this.nextNonceAt, (this.nextNonceAt += NONCE_BYTES));
  }

  private keyOf(place: string, generation: string): Buffer {
    return hash('sha256', `${this.secret}\0${place}\0${generation}`, 'buffer');
  }
}

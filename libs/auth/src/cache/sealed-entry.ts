import { hash, randomFillSync } from 'node:crypto';
import { decrypt, encrypt, NONCE_BYTES } from '@app/store';

/** In base64url: the nonce, the tag, then the text. */
const NONCE_CHARS = 16;
const TAG_CHARS = 22;
/** Drawn together: random bytes cost Node as much for a few as for many. */
const NONCES_DRAWN = 256;

/**
 * Seals entries in Redis: AES-256-GCM under one key per entry, derived from the secret, its key and the store's generation
 * (NIST SP 800-56C, one step). A forged, garbled or moved value does not open, nor does one of another generation.
 */
export class EntrySeal {
  private readonly nonces = Buffer.alloc(NONCES_DRAWN * NONCE_BYTES);
  private nextNonceAt = this.nonces.length;

  constructor(private readonly secret: string) {}

  seal(key: string, generation: string, text: string): string {
    const { nonce, tag, text: sealed } = encrypt(this.cipherKeyOf(key, generation), this.newNonce(), text);
    return `${nonce.toString('base64url')}${tag.toString('base64url')}${sealed.toString('base64url')}`;
  }

  /** @throws for a value not sealed under this key and generation */
  open(key: string, generation: string, sealed: string): string {
    // Decoded part by part: slicing a Buffer would cost more than the decryption.
    return decrypt(this.cipherKeyOf(key, generation), {
      nonce: Buffer.from(sealed.slice(0, NONCE_CHARS), 'base64url'),
      tag: Buffer.from(sealed.slice(NONCE_CHARS, NONCE_CHARS + TAG_CHARS), 'base64url'),
      text: Buffer.from(sealed.slice(NONCE_CHARS + TAG_CHARS), 'base64url'),
    });
  }

  /** Valid until the next call. */
  private newNonce(): Buffer {
    if (this.nextNonceAt === this.nonces.length) {
      randomFillSync(this.nonces);
      this.nextNonceAt = 0;
    }
    return this.nonces.subarray(this.nextNonceAt, (this.nextNonceAt += NONCE_BYTES));
  }

  private cipherKeyOf(key: string, generation: string): Buffer {
    return hash('sha256', `${this.secret}\0${key}\0${generation}`, 'buffer');
  }
}

// AES-256-GCM (NIST SP 800-38D) with the lengths that it recommends.
import { createCipheriv, createDecipheriv } from 'node:crypto';

const ALGORITHM = 'aes-256-gcm';

export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** The parts of an encrypted text. Their order and encoding are the caller's. */
export interface Encrypted {
  readonly nonce: Buffer;
  readonly tag: Buffer;
  readonly text: Buffer;
}

/**
 * @param key 256 bits
 * @param nonce unlike any other under this key
 * @param context goes into the tag, not into the result; {@link decrypt} needs the same
 */
export function encrypt(key: Buffer, nonce: Buffer, text: string, context?: string): Encrypted {
  const cipher = createCipheriv(ALGORITHM, key, nonce);
  if (context !== undefined) cipher.setAAD(Buffer.from(context));
  // GCM output is as long as its input; its end adds only the tag.
  const encrypted = cipher.update(text, 'utf8');
  cipher.final();
  return { nonce, tag: cipher.getAuthTag(), text: encrypted };
}

/** @throws when key or context is another one, or a part has changed */
export function decrypt(key: Buffer, { nonce, tag, text }: Encrypted, context?: string): string {
  const decipher = createDecipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
  if (context !== undefined) decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(tag);
  const decrypted = decipher.update(text);
  decipher.final();
  return decrypted.toString('utf8');
}

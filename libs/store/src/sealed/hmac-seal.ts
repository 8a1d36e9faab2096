import { createHmac, timingSafeEqual } from 'node:crypto';

/** HMAC-SHA-256 (RFC 2104) in base64url. */
const MAC_CHARS = 43;

/**
 * Seals texts that anyone may read and only we may change: the MAC of place and text stands before the text. A text moved to
 * another place does not open.
 *
 * @param secrets the first seals, all open, so that a secret can be replaced
 */
export class HmacSeal {
  constructor(private readonly secrets: readonly string[]) {}

  seal(place: string, text: string): string {
    return macOf(this.secrets[0]!, place, text) + text;
  }

  /** @returns undefined for any other value than one for this place under one of the secrets */
  open(place: string, sealed: string): string | undefined {
    const text = sealed.slice(MAC_CHARS);
    const given = Buffer.from(sealed.slice(0, MAC_CHARS));
    const fits = (secret: string) => {
      const expected = Buffer.from(macOf(secret, place, text));
      return given.length === expected.length && timingSafeEqual(given, expected);
    };
    return this.secrets.some(fits) ? text : undefined;
  }
}

function macOf(secret: string, place: string, text: string): string {
  return createHmac('sha256', secret).update(place).update('\0').update(text).digest('base64url');
}

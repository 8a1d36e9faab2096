import { decrypt, encrypt } from './aes-gcm.js';

const key = Buffer.alloc(32, 1);
const nonce = Buffer.alloc(12, 2);

describe('AES-256-GCM', () => {
  it('encrypts as the standard says', () => {
    // Test case 14 of the GCM specification: a block of zeros.
    const { tag, text } = encrypt(Buffer.alloc(32), Buffer.alloc(12), '\0'.repeat(16));
    expect(text.toString('hex')).toBe('cea7403d4d606b6e074ec5d3baf39d18');
    expect(tag.toString('hex')).toBe('d0d1c8a799996bf0265b98b5d48ab919');
  });

  it.each([undefined, 'a place'])('decrypts what it encrypted (context: %s)', (context) => {
    expect(decrypt(key, encrypt(key, nonce, 'für Ada', context), context)).toBe('für Ada');
  });

  const encrypted = encrypt(key, nonce, 'text', 'a place');
  const flipped = (part: Buffer) => Buffer.from([part[0]! ^ 1, ...part.subarray(1)]);
  it.each([
    ['with another key', () => decrypt(Buffer.alloc(32, 3), encrypted, 'a place')],
    ['with another context', () => decrypt(key, encrypted, 'another place')],
    ['without its context', () => decrypt(key, encrypted)],
    ['with another nonce', () => decrypt(key, { ...encrypted, nonce: flipped(nonce) }, 'a place')],
    [
      'after its text changed',
      () => decrypt(key, { ...encrypted, text: flipped(encrypted.text) }, 'a place'),
    ],
    ['after its tag changed', () => decrypt(key, { ...encrypted, tag: flipped(encrypted.tag) }, 'a place')],
    [
      'by a part of its tag',
      () => decrypt(key, { ...encrypted, tag: encrypted.tag.subarray(0, 4) }, 'a place'),
    ],
    ['with an empty nonce', () => decrypt(key, { ...encrypted, nonce: Buffer.alloc(0) }, 'a place')],
  ])('throws %s', (_title, open) => {
    expect(open).toThrow();
  });
});

import { HmacSeal } from './hmac-seal.js';

const seal = new HmacSeal(['secret-one', 'secret-zero']);

describe('HmacSeal', () => {
  it('writes the MAC of place and text before the text', () => {
    // printf 'a place\0text' | openssl dgst -sha256 -hmac secret-one -binary | basenc --base64url
    expect(seal.seal('a place', 'text')).toBe('_AiUIBDwsbXZ7fSfYe8au_tKgNlv1tjvhAvePLSd95wtext');
  });

  it('opens what was sealed under any of its secrets, and seals under the first', () => {
    const old = new HmacSeal(['secret-zero']);
    expect(seal.open('a place', old.seal('a place', 'text'))).toBe('text');
    expect(seal.open('a place', seal.seal('a place', 'text'))).toBe('text');
    expect(old.open('a place', seal.seal('a place', 'text'))).toBeUndefined();
  });

  it.each<[string, (sealed: string) => string | undefined]>([
    ['in another place', (sealed) => seal.open('another place', sealed)],
    ['with another secret', (sealed) => new HmacSeal(['another']).open('a place', sealed)],
    ['after its text changed', (sealed) => seal.open('a place', `${sealed}s`)],
    ['after its MAC changed', (sealed) => seal.open('a place', `A${sealed.slice(1)}`)],
    ['that is cut', (sealed) => seal.open('a place', sealed.slice(0, 20))],
    ['that is empty', () => seal.open('a place', '')],
  ])('does not open a value %s', (_title, open) => {
    expect(open(seal.seal('a place', 'text'))).toBeUndefined();
  });
});

import { SealedBox } from './sealed-box.js';

const TOKEN = 'the-access-token';
const PLACE = 'session:v1:abc';
const box = new SealedBox(['secret-one', 'secret-zero']);

describe('SealedBox', () => {
  it('opens what it sealed, and says nothing of it before', () => {
    const sealed = box.seal(TOKEN, PLACE, 'the refresh token');
    expect(sealed).toMatch(/^[\w-]+$/);
    expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain('refresh');
    expect(box.open(TOKEN, PLACE, sealed)).toBe('the refresh token');
  });

  it('seals the same content differently each time', () => {
    expect(box.seal(TOKEN, PLACE, 'x')).not.toBe(box.seal(TOKEN, PLACE, 'x'));
  });

  it('opens what was sealed under an older secret, and seals under the first', () => {
    const old = new SealedBox(['secret-zero']);
    expect(box.open(TOKEN, PLACE, old.seal(TOKEN, PLACE, 'x'))).toBe('x');
    expect(old.open(TOKEN, PLACE, box.seal(TOKEN, PLACE, 'x'))).toBeUndefined();
  });

  it.each<[string, (sealed: string) => string | undefined]>([
    ['with another token', (sealed) => box.open('another-token', PLACE, sealed)],
    ['in another place', (sealed) => box.open(TOKEN, 'session:v1:abd', sealed)],
    ['without the secret', (sealed) => new SealedBox(['another']).open(TOKEN, PLACE, sealed)],
    ['when a bit was changed', (sealed) => box.open(TOKEN, PLACE, flipBit(sealed))],
    ['when it was cut', (sealed) => box.open(TOKEN, PLACE, sealed.slice(0, 20))],
    ['when it is empty', () => box.open(TOKEN, PLACE, '')],
  ])('does not open %s', (_title, open) => {
    expect(open(box.seal(TOKEN, PLACE, 'x'))).toBeUndefined();
  });

  it('needs a secret', () => {
    expect(() => new SealedBox([])).toThrow(TypeError);
  });
});

function flipBit(sealed: string): string {
  const bytes = Buffer.from(sealed, 'base64url');
  bytes[14]! ^= 1;
  return bytes.toString('base64url');
}

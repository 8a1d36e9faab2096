import { exportJWK, generateKeyPair } from 'jose';
import { generateSigningKeys, parseSigningKeys } from './signing-keys.js';

const document = (...keys: unknown[]) => JSON.stringify({ keys });

describe('signing keys', () => {
  it('are generated as RS256 keys, each time with another kid', async () => {
    const [first, second] = await Promise.all([generateSigningKeys(), generateSigningKeys()]);
    expect(first.keys).toEqual([
      expect.objectContaining({ kty: 'RSA', alg: 'RS256', use: 'sig', kid: expect.any(String) }),
    ]);
    expect(first.keys[0]?.kid).not.toBe(second.keys[0]?.kid);
  });

  it('are read back unchanged, in their order', async () => {
    const { keys } = await generateSigningKeys();
    const more = { ...(await generateSigningKeys()).keys[0], kid: 'next' };
    expect(await parseSigningKeys(document(...keys, more))).toEqual({ keys: [...keys, more] });
  });

  it('get their thumbprint for a missing kid', async () => {
    const [key] = (await generateSigningKeys()).keys;
    const { kid, ...anonymous } = key!;
    expect((await parseSigningKeys(document(anonymous))).keys[0]?.kid).toBe(kid);
  });

  it('are refused when they cannot sign, without being quoted', async () => {
    const [key] = (await generateSigningKeys()).keys;
    const { d, ...incomplete } = key!;
    const elliptic = await exportJWK((await generateKeyPair('ES256', { extractable: true })).privateKey);
    for (const [text, reason] of [
      ['not JSON', /not JSON/],
      ['[]', /JWK Set/],
      [document(), /JWK Set/],
      [document(incomplete), /keys\.0\.d is missing/],
      [document(elliptic), /keys\.0\.kty/],
      [document({ ...key, n: 'AAAA', d: 'AAAA' }), /not a usable RSA private key/],
      [document(key, key), /same kid/],
    ] as const) {
      const error = (await parseSigningKeys(text).catch((refusal: unknown) => refusal)) as Error;
      expect(error.message).toMatch(reason);
      expect(error.message).not.toContain(d!.slice(0, 20));
    }
  });
});

import {
  calculateJwkThumbprint,
  compactVerify,
  CompactSign,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import { z } from 'zod';

/** The signing keys of tokens: RSA, private part included. The first signs, all of them are published. */
export interface SigningKeys {
  readonly keys: readonly SigningKey[];
}

export type SigningKey = JWK & { readonly kid: string };

/** A key set that cannot sign. The message never quotes it. */
export class SigningKeysError extends Error {
  override readonly name = 'SigningKeysError';
}

const part = z.string().min(1);
const rsaPrivateKey = z.object({
  kty: z.literal('RSA'),
  n: part,
  e: part,
  d: part,
  p: part,
  q: part,
  dp: part,
  dq: part,
  qi: part,
  kid: part.optional(),
});
const keySet = z.object({ keys: z.array(rsaPrivateKey).min(1) });

/** A new RSA key of 2048 bits. It ends with the process, and its tokens become invalid. */
export async function generateSigningKeys(): Promise<SigningKeys> {
  const { privateKey } = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true });
  return { keys: [await signingKey(await exportJWK(privateKey))] };
}

/**
 * Reads a JWK Set (RFC 7517 section 5) of RSA private keys; a missing `kid` becomes the thumbprint (RFC 7638).
 *
 * @throws SigningKeysError
 */
export async function parseSigningKeys(jwksJson: string): Promise<SigningKeys> {
  const parsed = keySet.safeParse(readJson(jwksJson));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') || 'the document';
    throw new SigningKeysError(
      `IDENTITY_KEYS is not a JWK Set of RSA private keys: ${where} is missing or wrong. ` +
        'Unset it to have a key generated at each start.',
    );
  }
  const keys = await Promise.all(parsed.data.keys.map((key) => signingKey(definedOnly(key))));
  if (new Set(keys.map(({ kid }) => kid)).size < keys.length) {
    throw new SigningKeysError('IDENTITY_KEYS holds two keys of the same kid.');
  }
  return { keys };
}

/**
 * The set without a key, whose tokens become invalid.
 *
 * @throws Error for the key that signs, or one that is not in the set
 */
export function withoutKey({ keys }: SigningKeys, kid: string): SigningKeys {
  const index = keys.findIndex((key) => key.kid === kid);
  if (index < 1) throw new Error(index === 0 ? `key ${kid} signs` : `there is no key ${kid}`);
  return { keys: keys.filter((key) => key.kid !== kid) };
}

async function signingKey(jwk: JWK): Promise<SigningKey> {
  const { kty, n, e } = jwk as { kty: 'RSA'; n: string; e: string };
  try {
    const signed = await new CompactSign(Buffer.from('trial'))
      .setProtectedHeader({ alg: 'RS256' })
      .sign(await importJWK(jwk, 'RS256'));
    await compactVerify(signed, await importJWK({ kty, n, e }, 'RS256'));
  } catch {
    throw new SigningKeysError('IDENTITY_KEYS holds a key that is not a usable RSA private key.');
  }
  return { ...jwk, kid: jwk.kid ?? (await calculateJwkThumbprint(jwk)), use: 'sig', alg: 'RS256' };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new SigningKeysError('IDENTITY_KEYS is not JSON: it must be a JWK Set, as {"keys":[...]}.');
  }
}

function definedOnly({ kid, ...key }: z.infer<typeof rsaPrivateKey>): JWK {
  return kid === undefined ? key : { ...key, kid };
}

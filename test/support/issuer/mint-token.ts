import type { CanonicalToken } from '@app/contract';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { asToken } from './as-token.js';

/** A signing key of a test's own issuer. */
export interface TestKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  /** The public key, as the issuer publishes it. */
  readonly jwk: JWK;
}

export async function newKey(kid = 'test-key'): Promise<TestKey> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' } };
}

export const TEST_ISSUER = 'https://issuer.test/';
export const TEST_AUDIENCE = 'https://api.test/';

export interface MintOverrides {
  /** Claims to change; undefined leaves one out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Header parameters to change; undefined leaves one out. */
  readonly header?: Readonly<Record<string, unknown>>;
}

/** An access token in Auth0's form, valid for an hour, with a default for each claim. */
export async function mintToken(
  key: TestKey,
  { claims = {}, header = {} }: MintOverrides = {},
): Promise<CanonicalToken> {
  const nowSeconds = Math.floor(Date.now() / 1000);
  const payload = {
    iss: TEST_ISSUER,
    sub: 'auth0|ada',
    aud: [TEST_AUDIENCE, `${TEST_ISSUER}userinfo`],
    azp: 'venue-suite',
    iat: nowSeconds,
    exp: nowSeconds + 3600,
    scope: 'openid read:venues',
    permissions: ['read:venues', 'write:venues'],
    gty: 'password',
    ...claims,
  };
  const protectedHeader = { alg: 'RS256', typ: 'JWT', kid: key.kid, ...header };
  return asToken(await new SignJWT(payload).setProtectedHeader(protectedHeader).sign(key.privateKey));
}

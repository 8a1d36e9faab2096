import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { tenPermissions } from './memory.js';

export const AUDIENCE = 'https://api.venue.example/';
const KID = 'bench';

/** An issuer that publishes its key, and signs what the benchmark sends. */
export interface Issuer {
  readonly url: string;
  /** @returns access tokens as Auth0 issues them (about 900 characters), each of a user of its own */
  mint(count: number): Promise<string[]>;
  close(): void;
}

export async function startIssuer(): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: KID, alg: 'RS256', use: 'sig' }] };
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json');
    const documents: Record<string, object> = {
      '/jwks': jwks,
      '/.well-known/openid-configuration': {
        issuer: url,
        jwks_uri: `${url}jwks`,
        token_endpoint: `${url}oauth/token`,
        userinfo_endpoint: `${url}userinfo`,
        revocation_endpoint: `${url}oauth/revoke`,
      },
    };
    const document = documents[request.url ?? ''];
    response.writeHead(document ? 200 : 404).end(JSON.stringify(document ?? {}));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://localhost:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    mint: (count) =>
      Promise.all(Array.from({ length: count }, (_, index) => sign(privateKey, url, `auth0|${index}`))),
    close: () => void server.close(),
  };
}

function sign(key: CryptoKey, issuer: string, subject: string): Promise<string> {
  const claims = {
    azp: 'venue-suite',
    scope: 'openid profile email read:venues',
    permissions: tenPermissions,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: KID })
    .setIssuer(issuer)
    .setSubject(subject.padEnd(30, '0'))
    .setAudience([AUDIENCE, `${issuer}userinfo`])
    .setIssuedAt()
    .setExpirationTime('6h')
    .sign(key);
}

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey } from 'jose';
import { newAuthority } from '../test/support/network/certificates.js';
import { tenPermissions } from './permissions.js';

export const AUDIENCE = 'https://api.venue.example/';
/** Whom its tokens are for. */
export const CLIENT_ID = 'bench-suite';
const KID = 'bench';
const LIFETIME_SECONDS = 6 * 3600;

/**
 * An issuer that publishes its key, signs what the benchmark sends, and answers log-ins and refreshes with what it has signed before,
 * so that neither a password hash nor a signature is in what is measured.
 */
export interface Issuer {
  readonly url: string;
  /** The authority of its certificate, PEM, for NODE_EXTRA_CA_CERTS. */
  readonly caFile: string;
  /** @returns access tokens as Auth0 issues them (about 900 characters), each of a user of its own */
  mint(count: number): Promise<string[]>;
  /** Signs so many tokens of each of these users, to be given out from the first one on. */
  prepare(usernames: readonly string[], tokensEach: number): Promise<void>;
  /** Gives out from the first one on again, as to a deployment that knows none of them. */
  rewind(): void;
  close(): void;
}

export async function startIssuer(caFile: string): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair('RS256');
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: KID, alg: 'RS256', use: 'sig' }] };
  const { ca, cert, key } = await (await newAuthority()).issue('localhost');
  await writeFile(caFile, ca);
  const prepared = new Map<string, string[]>();
  const next = new Map<string, number>();

  const grant = async (form: URLSearchParams) => {
    const username =
      form.get('username') ?? /^upstream\.\d+\.(.+)$/.exec(form.get('refresh_token') ?? '')?.[1];
    if (username === undefined || !prepared.has(username)) return [403, { error: 'invalid_grant' }] as const;
    const turn = next.get(username) ?? 0;
    next.set(username, turn + 1);
    const accessToken = prepared.get(username)![turn] ?? (await sign(privateKey, url, username));
    const pair = {
      access_token: accessToken,
      refresh_token: `upstream.${turn}.${username}`,
      token_type: 'Bearer',
      expires_in: LIFETIME_SECONDS,
      scope: SCOPE,
    };
    return [200, pair] as const;
  };
  const answer = async (request: IncomingMessage): Promise<readonly [status: number, body: object]> => {
    switch (request.url) {
      case '/jwks':
        return [200, jwks];
      case '/.well-known/openid-configuration':
        return [
          200,
          {
            issuer: url,
            jwks_uri: `${url}jwks`,
            token_endpoint: `${url}oauth/token`,
            userinfo_endpoint: `${url}userinfo`,
            revocation_endpoint: `${url}oauth/revoke`,
          },
        ];
      case '/oauth/token':
        return grant(await formOf(request));
      case '/oauth/revoke':
        return [200, {}];
      default:
        return [404, {}];
    }
  };
  const server = createServer({ cert, key, keepAliveTimeout: 60_000 }, (request, response) => {
    void answer(request).then(([status, body]) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  server.listen(0, 'localhost');
  await once(server, 'listening');
  const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
  return {
    url,
    caFile,
    mint: (count) =>
      Promise.all(Array.from({ length: count }, (_, index) => sign(privateKey, url, `user-${index}`))),
    prepare: async (usernames, tokensEach) => {
      for (const username of usernames) {
        const tokens = Array.from({ length: tokensEach }, () => sign(privateKey, url, username));
        prepared.set(username, await Promise.all(tokens));
      }
    },
    rewind: () => next.clear(),
    close: () => void server.close(),
  };
}

const SCOPE = 'openid profile email read:venues';
let signed = 0;

function sign(key: CryptoKey, issuer: string, username: string): Promise<string> {
  return new SignJWT({ azp: CLIENT_ID, scope: SCOPE, permissions: tenPermissions })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: KID })
    .setIssuer(issuer)
    .setSubject(`auth0|${username}`.padEnd(30, '0'))
    .setAudience([AUDIENCE, `${issuer}userinfo`])
    .setJti(String((signed += 1)))
    .setIssuedAt()
    .setExpirationTime(`${LIFETIME_SECONDS}s`)
    .sign(key);
}

async function formOf(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

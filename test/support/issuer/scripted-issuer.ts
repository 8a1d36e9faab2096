import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mintToken, newKey, type TestKey } from './mint-token.js';

/** An answer of the token endpoint. */
export interface ScriptedAnswer {
  readonly status: number;
  readonly body: object | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** user-token's questions for its readiness, which the specs are not about. */
function isCheck(form: URLSearchParams): boolean {
  return (
    form.get('refresh_token')?.startsWith('readiness-check') ||
    !(form.has('username') || form.has('refresh_token'))
  );
}

/**
 * An authorization server of Auth0's dialect. Its token endpoint gives the answers of the spec and keeps the requests. Its tokens
 * verify.
 */
export class ScriptedIssuer {
  /** Forms that reached the token endpoint. */
  readonly asked: URLSearchParams[] = [];
  readonly askedHeaders: IncomingMessage['headers'][] = [];
  /** Refresh tokens that were revoked. */
  readonly revoked: string[] = [];
  private jwks: ScriptedAnswer;
  private answer: (form: URLSearchParams) => ScriptedAnswer | Promise<ScriptedAnswer> = () => this.grant();

  private constructor(
    readonly issuer: string,
    private readonly key: TestKey,
    readonly stop: () => Promise<void>,
  ) {
    this.jwks = { status: 200, body: { keys: [key.jwk] } };
  }

  static async start(): Promise<ScriptedIssuer> {
    const key = await newKey();
    const server = createServer((request, response) => {
      void (async () => {
        const { issuer } = scripted;
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const form = new URLSearchParams(Buffer.concat(chunks).toString());
        const reply = ({ status, body, headers = {} }: ScriptedAnswer) => {
          const isText = typeof body === 'string';
          response.writeHead(status, {
            'content-type': isText ? 'text/html' : 'application/json',
            ...headers,
          });
          response.end(isText ? body : JSON.stringify(body));
        };
        switch (request.url) {
          case '/.well-known/openid-configuration':
            return reply({
              status: 200,
              body: {
                issuer,
                token_endpoint: `${issuer}oauth/token`,
                revocation_endpoint: `${issuer}oauth/revoke`,
                jwks_uri: `${issuer}.well-known/jwks.json`,
              },
            });
          case '/.well-known/jwks.json':
            return reply(scripted.jwks);
          case '/oauth/revoke':
            scripted.revoked.push(form.get('token') ?? '');
            return reply({ status: 200, body: {} });
          default:
            if (isCheck(form)) return reply({ status: 400, body: { error: 'invalid_request' } });
            scripted.asked.push(form);
            scripted.askedHeaders.push(request.headers);
            return reply(await scripted.answer(form));
        }
      })();
    });
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    const { port } = server.address() as AddressInfo;
    const scripted: ScriptedIssuer = new ScriptedIssuer(`http://localhost:${port}/`, key, async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    });
    return scripted;
  }

  answers(
    answer: ScriptedAnswer | ((form: URLSearchParams) => ScriptedAnswer | Promise<ScriptedAnswer>),
  ): void {
    this.answer = typeof answer === 'function' ? answer : () => answer;
  }

  /** Answers of the JWKS endpoint; a list stands for a set of the issuer's own key and these. */
  publishes(answer: ScriptedAnswer | readonly TestKey[]): void {
    if ('status' in answer) this.jwks = answer;
    else this.jwks = { status: 200, body: { keys: [this.key, ...answer].map(({ jwk }) => jwk) } };
  }

  /** A grant with a new pair each time. */
  async grant(
    claims: Readonly<Record<string, unknown>> = {},
    key: TestKey = this.key,
  ): Promise<ScriptedAnswer> {
    const scope = 'read:venues write:venues';
    const nowSeconds = Math.floor(Date.now() / 1000);
    const { iat = nowSeconds, exp = nowSeconds + 3600 } = claims as { iat?: number; exp?: number };
    const token = await mintToken(key, {
      claims: {
        iss: this.issuer,
        aud: ['https://api.venue.example/'],
        jti: randomUUID(),
        scope,
        iat,
        exp,
        ...claims,
      },
    });
    return {
      status: 200,
      body: {
        access_token: token,
        refresh_token: `upstream-${randomUUID()}`,
        token_type: 'Bearer',
        expires_in: exp - iat,
        scope,
      },
    };
  }
}

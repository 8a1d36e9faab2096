import { exportJWK } from 'jose';
import { mintToken, newKey, type TestKey } from './mint-token.js';
import { ServiceProcess } from '../suite/service-process.js';

/** The bundled authorization server with a signing key that the test also has: it can make hundreds of tokens without a log-in. */
export class TestIssuer {
  private constructor(
    private readonly key: TestKey,
    readonly process: ServiceProcess,
  ) {}

  static async start(): Promise<TestIssuer> {
    const key = await newKey();
    const jwk = { ...(await exportJWK(key.privateKey)), kid: key.kid };
    const identity = await ServiceProcess.start('identity', {
      IDENTITY_KEYS: JSON.stringify({ keys: [jwk] }),
    });
    return new TestIssuer(key, identity);
  }

  get url(): string {
    return `http://localhost:${this.process.port}/`;
  }

  token(subject: string, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const aud = ['https://api.venue.example/', `${this.url}userinfo`];
    // Each token is different, also within one second.
    const jti = crypto.randomUUID();
    return mintToken(this.key, { claims: { iss: this.url, aud, sub: subject, jti, ...claims } });
  }

  tokens(count: number, subject: string): Promise<string[]> {
    return Promise.all(Array.from({ length: count }, () => this.token(subject)));
  }
}

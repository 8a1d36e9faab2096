import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@app/ops';
import {
  readIdentityConfig,
  startIdentity,
  type IdentityEnvironment,
  type RunningIdentity,
} from '@app/identity';

export interface IdentityAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Of a JSON answer. */
  readonly body: any;
}

type Parameters = Readonly<Record<string, string>>;

/** The bundled authorization server in this process, over real HTTP, with its local seed or one of the spec's own. */
export class IdentityUnderTest {
  private constructor(
    readonly running: RunningIdentity,
    /** Of the log, as JSON. */
    readonly lines: string[],
    private readonly folder: string,
    /** Added to the parameters of each token request that names no client of its own. */
    private readonly client: Parameters,
  ) {}

  static async start(
    client: Parameters,
    { seed, ...environment }: Partial<IdentityEnvironment> & { readonly seed?: string } = {},
  ): Promise<IdentityUnderTest> {
    const folder = await mkdtemp(join(tmpdir(), 'identity-'));
    const seedPath = seed === undefined ? {} : { IDENTITY_SEED: join(folder, 'seed.yaml') };
    if (seedPath.IDENTITY_SEED) await writeFile(seedPath.IDENTITY_SEED, seed!);
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const running = await startIdentity(
      readIdentityConfig({ ENVIRONMENT: 'local', PORT: '0', OPS_PORT: '0', ...seedPath }),
      {
        logger: createLogger({ service: 'identity', environment: 'local', level: 'trace', destination }),
        ...environment,
      },
    );
    return new IdentityUnderTest(running, lines, folder, client);
  }

  async stop(): Promise<void> {
    await this.running.stop();
    await rm(this.folder, { recursive: true });
  }

  get issuer(): string {
    return this.running.issuer;
  }

  async send(path: string, init: RequestInit = {}): Promise<IdentityAnswer> {
    const response = await fetch(`${this.issuer}${path}`, init);
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    const { status, headers } = response;
    return { status, headers, text, body: isJson ? JSON.parse(text) : undefined };
  }

  token(parameters: Parameters, headers: Parameters = {}): Promise<IdentityAnswer> {
    const body = new URLSearchParams({ ...this.client, ...parameters });
    return this.send('oauth/token', { method: 'POST', headers, body });
  }

  refresh(refreshToken: string, more: Parameters = {}): Promise<IdentityAnswer> {
    return this.token({ grant_type: 'refresh_token', refresh_token: refreshToken, ...more });
  }

  userinfo(accessToken: string): Promise<IdentityAnswer> {
    return this.send('userinfo', { headers: { authorization: `Bearer ${accessToken}` } });
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { createProvider, type ProviderOptions } from './adapters/oidc-provider/create-provider.js';
import type { Provider } from './adapters/oidc-provider/oidc-provider.js';
import { TokenReader } from './adapters/oidc-provider/token-reader.js';

interface Running {
  readonly provider: Provider;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  readonly tokenReader: TokenReader;
}

/** The authorization server behind the controllers. Its issuer may depend on the port, which is only known later. */
export class AuthorizationServer {
  #running: Running | undefined;

  constructor(private readonly options: Omit<ProviderOptions, 'issuer'>) {}

  /** From now on, tokens have this `issuer`, an absolute URL that ends in a slash. */
  open(issuer: string): void {
    const provider = createProvider({ ...this.options, issuer });
    this.#running = {
      provider,
      handle: provider.callback(),
      tokenReader: new TokenReader(provider, this.options.users, this.options.signingKeys),
    };
  }

  get issuer(): string {
    return this.provider.issuer;
  }

  get provider(): Provider {
    return this.running.provider;
  }

  get tokenReader(): TokenReader {
    return this.running.tokenReader;
  }

  handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    return this.running.handle(request, response);
  }

  private get running(): Running {
    if (!this.#running) throw new Error('the authorization server is not open yet');
    return this.#running;
  }
}

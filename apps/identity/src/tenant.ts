import type { IncomingMessage, ServerResponse } from 'node:http';
import { createProvider, type ProviderOptions } from './adapters/oidc-provider/create-provider.js';
import { oidcRequest, type ForwardedRequest } from './adapters/oidc-provider/oidc-request.js';
import type { Provider } from './adapters/oidc-provider/oidc-provider.js';
import { TokenReader } from './adapters/oidc-provider/token-reader.js';
import type { Clients } from './core/clients.js';
import type { ReadToken } from './core/read-token.js';

interface Running {
  readonly provider: Provider;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  readonly tokenReader: TokenReader;
}

/**
 * One issuer with its directory, sessions and signing keys. The words of its dialect are below it, and the dialect's routes above.
 * Its issuer may depend on the port, which is only known later.
 */
export class Tenant {
  #running: Running | undefined;

  constructor(private readonly options: Omit<ProviderOptions, 'issuer'>) {}

  /** From now on, tokens have this `issuer`, an absolute URL that ends in a slash. */
  open(issuer: string): void {
    const { dialect, users, signingKeys } = this.options;
    const provider = createProvider({ ...this.options, issuer });
    const audience = dialect.userinfoAudience(issuer);
    this.#running = {
      provider,
      handle: provider.callback(),
      tokenReader: new TokenReader(provider, { users, signingKeys, audience }),
    };
  }

  get issuer(): string {
    return this.provider.issuer;
  }

  get provider(): Provider {
    return this.running.provider;
  }

  /** A change counts from the next request on. */
  get clients(): Clients {
    return this.options.directory.clients;
  }

  answer(request: ForwardedRequest, response: ServerResponse): Promise<void> {
    const passedOn = ['authorization', this.options.dialect.endUserAddressHeader];
    return this.running.handle(oidcRequest(request, this.issuer, passedOn), response);
  }

  /** @param token an access token, for `/userinfo` */
  readToken(token: string): Promise<ReadToken> {
    return this.running.tokenReader.read(token);
  }

  private get running(): Running {
    if (!this.#running) throw new Error('the tenant is not open yet');
    return this.#running;
  }
}

import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createProvider, type ProviderOptions } from './adapters/oidc-provider/create-provider.js';
import {
  createMemoryAdapters,
  type MemoryAdapters,
  type MemoryOptions,
} from './adapters/oidc-provider/memory-adapter.js';
import { oidcRequest, type ForwardedRequest } from './adapters/oidc-provider/oidc-request.js';
import { generateSigningKeys, withoutKey, type SigningKeys } from './adapters/oidc-provider/signing-keys.js';
import { TokenReader } from './adapters/oidc-provider/token-reader.js';
import type { Clients } from './core/clients.js';
import type { ReadToken } from './core/read-token.js';

export interface TenantOptions extends Omit<ProviderOptions, 'issuer' | 'memory' | 'onRefreshToken'> {
  readonly memory?: MemoryOptions | undefined;
}

export interface TenantEvents {
  /** A refresh token was issued. */
  readonly refresh_token: [refreshToken: string];
}

/** What is made anew for other signing keys. */
interface Running {
  readonly issuer: string;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
  readonly tokenReader: TokenReader;
}

/**
 * One issuer with its directory, sessions and signing keys. The words of its dialect are below it, and the dialect's routes above.
 * Its issuer may depend on the port, which is only known later.
 */
export class Tenant {
  readonly events = new EventEmitter<TenantEvents>();
  private readonly memory: MemoryAdapters;
  private signingKeys: SigningKeys;
  private opened: Running | undefined;

  constructor(private readonly options: TenantOptions) {
    const { clock, directory } = options;
    const { clients } = directory;
    this.memory = createMemoryAdapters({
      ...options.memory,
      clock,
      refreshTokenLeewaySeconds: (clientId) => clients.get(clientId)?.refreshTokenLeewaySeconds ?? 0,
    });
    this.signingKeys = options.signingKeys;
  }

  /** From now on, tokens have this `issuer`, an absolute URL that ends in a slash. */
  open(issuer: string): void {
    const { clock, dialect, users } = this.options;
    const signingKeys = this.signingKeys;
    const provider = createProvider({
      ...this.options,
      issuer,
      signingKeys,
      memory: this.memory,
      onRefreshToken: (token) => this.events.emit('refresh_token', token),
    });
    const audience = dialect.userinfoAudience(issuer);
    this.opened = {
      issuer,
      handle: provider.callback(),
      tokenReader: new TokenReader(provider, { users, signingKeys, clock, audience }),
    };
  }

  get issuer(): string {
    return this.running.issuer;
  }

  /** A change counts from the next request on. */
  get clients(): Clients {
    return this.options.directory.clients;
  }

  /** The `kid` of each published key; the first one signs. */
  get keyIds(): readonly string[] {
    return this.signingKeys.keys.map(({ kid }) => kid);
  }

  /** From now on a new key signs. The earlier ones stay published, so that their tokens stay valid. */
  async rotateSigningKey(): Promise<void> {
    const { keys } = await generateSigningKeys();
    // Only now: another rotation may have ended meanwhile.
    this.replaceSigningKeys({ keys: [...keys, ...this.signingKeys.keys] });
  }

  /**
   * Ends a key, and every token that it signed.
   *
   * @throws Error for the key that signs, or one that is not published
   */
  retireSigningKey(kid: string): void {
    this.replaceSigningKeys(withoutKey(this.signingKeys, kid));
  }

  answer(request: ForwardedRequest, response: ServerResponse): Promise<void> {
    const passedOn = ['authorization', this.options.dialect.endUserAddressHeader];
    return this.running.handle(oidcRequest(request, this.issuer, passedOn), response);
  }

  /** @param token an access token, for `/userinfo` */
  readToken(token: string): Promise<ReadToken> {
    return this.running.tokenReader.read(token);
  }

  /** oidc-provider reads its keys only when it is made. Requests under way end with the keys they began with. */
  private replaceSigningKeys(signingKeys: SigningKeys): void {
    this.signingKeys = signingKeys;
    if (this.opened) this.open(this.issuer);
  }

  private get running(): Running {
    if (!this.opened) throw new Error('the tenant is not open yet');
    return this.opened;
  }
}

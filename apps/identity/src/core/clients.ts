/** A registered client (RFC 6749 section 2): always confidential, authenticated by its secret. */
export interface Client {
  readonly clientId: string;
  readonly clientSecret: string;
  /** A disabled client is unknown to every request. */
  readonly enabled: boolean;
  readonly grantTypes: readonly string[];
  /** Whether this client may name the end user's address. */
  readonly endUserAddressTrusted: boolean;
  /** Overrides the lifetime set by the API. */
  readonly accessTokenLifetimeSeconds?: number | undefined;
  /** Counted from the log-in; rotation does not extend it. */
  readonly refreshTokenLifetimeSeconds: number;
  /** How long the previous refresh token may be used again; 0: never. */
  readonly refreshTokenLeewaySeconds: number;
  /** Scopes of the client's own tokens (`client_credentials`), by API identifier. */
  readonly ownScopes: ReadonlyMap<string, readonly string[]>;
}

/** The clients of a tenant. A change counts from the next request on. */
export class Clients implements Iterable<Client> {
  private readonly clients = new Map<string, Client>();

  constructor(clients: Iterable<Client> = []) {
    for (const client of clients) this.put(client);
  }

  /** @returns the client, unless it is unknown or disabled */
  find(clientId: string): Client | undefined {
    const client = this.clients.get(clientId);
    return client?.enabled ? client : undefined;
  }

  /** @returns the client, even a disabled one */
  get(clientId: string): Client | undefined {
    return this.clients.get(clientId);
  }

  /** Adds the client, or replaces the one of its `clientId`. */
  put(client: Client): void {
    this.clients.set(client.clientId, client);
  }

  remove(clientId: string): void {
    this.clients.delete(clientId);
  }

  [Symbol.iterator](): IterableIterator<Client> {
    return this.clients.values();
  }
}

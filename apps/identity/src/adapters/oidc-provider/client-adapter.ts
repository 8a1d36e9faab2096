import type { Adapter, ClientMetadata } from 'oidc-provider';
import type { Client, Clients } from '../../core/clients.js';

/** The clients of the directory for oidc-provider, which looks for the client of each request anew. */
export class ClientAdapter implements Adapter {
  constructor(private readonly clients: Clients) {}

  find(clientId: string): Promise<ClientMetadata | undefined> {
    const client = this.clients.find(clientId);
    return Promise.resolve(client && clientMetadata(client));
  }

  /** The rest of an adapter is for tokens, and for clients that register themselves. */
  upsert = never;
  findByUid = never;
  findByUserCode = never;
  consume = never;
  destroy = never;
  revokeByGrantId = never;
}

function clientMetadata(client: Client): ClientMetadata {
  return {
    client_id: client.clientId,
    client_secret: client.clientSecret,
    grant_types: [...client.grantTypes],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
  };
}

function never(): Promise<never> {
  return Promise.reject(new Error('only the directory changes clients'));
}

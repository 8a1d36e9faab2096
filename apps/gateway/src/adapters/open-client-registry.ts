import { StartError, type Logger } from '@app/ops';
import type { KeyValues, OpenStoreOptions, ServerFacts } from '@app/store';
import { FORMER_NAMES } from '@app/contract';
import type { ClientRegistry } from '../core/client.js';
import { bundledClients, ClientDocument } from './client-document.js';
import { FileClientRegistry } from './file-client-registry.js';
import { NoClients } from './no-clients.js';
import { StoreClientRegistry } from './store-client-registry.js';

/** Instead of a path: clients are in the store. */
export const IN_STORE = 'redis:';

/** Options for a store with clients. */
export const ofClients: Pick<OpenStoreOptions, 'use' | 'formerNames'> = {
  use: 'clients',
  formerNames: FORMER_NAMES,
};

export interface ClientRegistryOptions {
  /** Path of a YAML file, or {@link IN_STORE}; undefined: none, and in ENVIRONMENT=local the bundled ones. */
  readonly location: string | undefined;
  readonly environment: string;
  readonly store: (KeyValues & ServerFacts) | undefined;
  /** The first seals clients in the store, all open them. */
  readonly secrets: readonly string[];
  readonly log: Logger;
}

/** @throws {StartError} when the registry cannot be used */
export async function openClientRegistry(options: ClientRegistryOptions): Promise<ClientRegistry> {
  const { environment, store, secrets, log } = options;
  const location = options.location ?? (environment === 'local' ? bundledClients : undefined);
  if (location === undefined) {
    log.info('GATEWAY_CLIENTS is not set: there are no OAuth clients, /oauth2 refuses every request');
    return new NoClients();
  }
  if (location !== IN_STORE) {
    if (environment !== 'local') await refusePublished(location);
    return FileClientRegistry.open(location, log);
  }
  if (!store?.shared) {
    throw new StartError('GATEWAY_CLIENTS is redis:, so REDIS_URL must name a Redis, not memory:.');
  }
  return new StoreClientRegistry(store, secrets, log);
}

/** @throws {StartError} naming the clients whose secrets are public in the bundled file */
async function refusePublished(path: string): Promise<void> {
  const [own, bundled] = await Promise.all([ClientDocument.read(path), ClientDocument.read(bundledClients)]);
  const published = new Set(bundled.clients.flatMap(({ secrets }) => secrets.map(({ hash }) => hash)));
  const clients = own.clients.filter(({ secrets }) => secrets.some(({ hash }) => published.has(hash)));
  if (clients.length === 0) return;
  const ids = clients.map(({ client_id: id }) => id).slice(0, 10);
  throw new StartError(
    `GATEWAY_CLIENTS names clients for local work, whose secrets everybody can read: ${ids.join(', ')}. Outside of ENVIRONMENT=local give them others (npm run client -- rotate <client_id> --keep-hours 0), or take them out of ${path}.`,
  );
}

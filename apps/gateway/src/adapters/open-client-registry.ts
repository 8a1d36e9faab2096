import { StartError, type Logger } from '@app/ops';
import type { SharedStore } from '@app/redis';
import type { ClientRegistry } from '../core/client.js';
import { bundledClients } from './client-document.js';
import { FileClientRegistry } from './file-client-registry.js';
import { NoClients } from './no-clients.js';
import { StoreClientRegistry } from './store-client-registry.js';

export interface ClientRegistryOptions {
  /** Path of a YAML file, or `redis:`; undefined: none, and in ENVIRONMENT=local those that come along. */
  readonly location: string | undefined;
  readonly environment: string;
  readonly store: SharedStore | undefined;
  /** The first seals clients in the store, all open them. */
  readonly secrets: readonly string[];
  readonly log: Logger;
}

/** @throws {StartError} when the registry cannot be used */
export async function openClientRegistry(options: ClientRegistryOptions): Promise<ClientRegistry> {
  const { environment, store, secrets, log } = options;
  const location = options.location ?? (environment === 'local' ? bundledClients : undefined);
  if (location === undefined) {
    log.info('GATEWAY_CLIENTS is not set: there are no OAuth clients, /oauth2 refuses everybody');
    return new NoClients();
  }
  if (location !== 'redis:') return FileClientRegistry.open(location, log);
  if (!store?.shared) {
    throw new StartError('GATEWAY_CLIENTS is redis:, so REDIS_URL must name a Redis, not memory:.');
  }
  return new StoreClientRegistry(store, secrets, log);
}

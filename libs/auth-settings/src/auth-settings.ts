import {
  defineSettings,
  issuerUrl,
  list,
  secret,
  StartError,
  text,
  TlsSettings,
  type RenewedTls,
  type Settings,
  PUBLISHED_SECRETS,
} from '@app/ops';
import { openStore, type OpenStoreOptions, type SharedStore, type StoreLog } from '@app/store';
import { redisSettings, storeOptions, type RedisSettings } from '@app/store-settings';
import type { RefusalLines } from '@app/contract';
import { isLoopback, parseReplicaAddresses } from '@app/wire';
import type { AuthOptions } from '@app/auth';

/** Certificates for connections to user-token. */
export const userTokenTls = new TlsSettings('USER_TOKEN_TLS', 'client', 'user-token');

/** Environment variables of a service that guards its routes; spread them into its settings. */
export const authSettings = defineSettings({
  AUTH0_AUDIENCE: {
    schema: list(),
    doc: 'API identifier(s) that tokens must be meant for, comma-separated',
    localDefault: 'https://api.venue.example/',
  },
  AUTH0_ISSUER_URL: {
    schema: issuerUrl(),
    doc: 'issuer, with its trailing slash, e.g. https://acme-dev.auth0.com/',
    localDefault: 'http://localhost:3002/',
    localOnly: ['http://localhost:3002/'],
  },
  ...redisSettings,
  TOKEN_CACHE_SECRET: {
    schema: secret(),
    doc: 'seals cached principals in Redis; 32 characters or more, the same in all services',
    secret: true,
    localDefault: PUBLISHED_SECRETS.tokenCache,
  },
  USER_TOKEN_URL: {
    schema: text().refine(isReplicaList, 'must be tcp://host:port or tls+tcp://host:port, comma-separated'),
    doc: 'user-token replicas, comma-separated: tls+tcp://host:port (mutual TLS) or, on this machine, tcp://host:port',
    localDefault: 'tcp://127.0.0.1:3003',
  },
  ...userTokenTls.definitions,
});

type AuthSettings = Settings<typeof authSettings> & { readonly ENVIRONMENT: string };

/**
 * Options of `AuthModule` from the settings of a service.
 *
 * @param store the shared store of the services of this environment; undefined where it is private to the process, and then
 *   nothing is cached
 * @param log gets the reasons why tokens were refused
 * @param renewed certificates for mutual TLS that are read again; without it, those of the settings
 * @throws {StartError} when access tokens would leave the machine unencrypted, outside of ENVIRONMENT=local
 */
export function authOptions(
  settings: AuthSettings,
  realm: string,
  store: SharedStore | undefined,
  log: RefusalLines,
  renewed?: RenewedTls,
): AuthOptions {
  const tls = renewed ? () => renewed.current : userTokenTls.materialOf(settings);
  const addresses = parseReplicaAddresses(settings.USER_TOKEN_URL);
  if (
    settings.ENVIRONMENT !== 'local' &&
    addresses.some((address) => !address.tls && !isLoopback(address.host))
  ) {
    throw new StartError(
      'USER_TOKEN_URL would carry access tokens unencrypted: use tls+tcp:// with USER_TOKEN_TLS_CA, USER_TOKEN_TLS_CERT and USER_TOKEN_TLS_KEY (each also as *_FILE).',
    );
  }
  if (addresses.some((address) => address.tls) && !tls) {
    throw new StartError(
      'USER_TOKEN_URL asks for TLS: set USER_TOKEN_TLS_CA, USER_TOKEN_TLS_CERT and USER_TOKEN_TLS_KEY.',
    );
  }
  return {
    audience: settings.AUTH0_AUDIENCE,
    userToken: { urls: settings.USER_TOKEN_URL, tls },
    store,
    realm,
    cache: { secret: settings.TOKEN_CACHE_SECRET },
    log,
  };
}

function isReplicaList(urls: string): boolean {
  try {
    return parseReplicaAddresses(urls).length > 0;
  } catch {
    return false;
  }
}

/**
 * Opens the store of a service in its own process. `memory:` would be private to it, so that it would never
 * hear of a log-out: it then gets no store, and caches nothing.
 */
export function openSharedStore(
  settings: RedisSettings,
  log: StoreLog,
  options: Pick<OpenStoreOptions, 'use' | 'formerNames'> = { use: 'cache' },
): SharedStore | undefined {
  const { REDIS_URL: url } = settings;
  if (url !== 'memory:') return openStore(url, { ...options, ...storeOptions(settings), log });
  log.warn(
    'REDIS_URL is memory:, which no other process shares: nothing is cached, every request asks user-token',
  );
  return undefined;
}

import { defineSettings, StartError, text, tlsSettings, type Settings } from '@app/ops';
import type { OpenStoreOptions } from './open-store.js';
import { redisTlsProblem, storeUrlProblem } from './redis-address.js';
import { storePrefix } from './store-names.js';

/** Environment variables of a service that uses the shared store; to be spread into its settings. */
export const redisSettings = defineSettings({
  REDIS_URL: {
    schema: text().superRefine((url, context) => {
      const problem = storeUrlProblem(url);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    }),
    doc: 'the store that all services share; memory: is private to one process',
    secret: true,
    localDefault: 'memory:',
    localOnly: ['memory:'],
  },
  ...tlsSettings('REDIS_TLS', 'the Redis of a rediss:// URL'),
});

export type RedisSettings = Settings<typeof redisSettings> & {
  readonly ENVIRONMENT: string;
  readonly AUTH0_ISSUER_URL: URL;
};

/**
 * Options of `openStore` from the settings of a service.
 *
 * @throws {StartError} naming the TLS setting that cannot be used
 */
export function storeOptions(settings: RedisSettings): Pick<OpenStoreOptions, 'prefix' | 'tls'> {
  const { REDIS_TLS_CA: ca, REDIS_TLS_CERT: cert, REDIS_TLS_KEY: key } = settings;
  const problem = redisTlsProblem(settings.REDIS_URL, { ca, cert, key });
  if (problem !== undefined) throw new StartError(problem);
  return {
    prefix: storePrefix({ environment: settings.ENVIRONMENT, issuer: settings.AUTH0_ISSUER_URL.href }),
    tls: { ca, cert, key },
  };
}

import { defineSettings, SettingsError, text, TlsSettings, type Settings } from '@app/ops';
import { type OpenStoreOptions, isTlsInVain, storeUrlProblem, storePrefix } from '@app/store';

const redisTls = new TlsSettings('REDIS_TLS', 'client', 'the Redis of a rediss:// URL');

/** Environment variables of a service that uses the shared store; spread them into its settings. */
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
  ...redisTls.definitions,
});

export type RedisSettings = Settings<typeof redisSettings> & {
  readonly ENVIRONMENT: string;
  readonly AUTH0_ISSUER_URL: URL;
};

/**
 * Options of `openStore` from the settings of a service.
 *
 * @throws {SettingsError} naming each TLS setting that cannot be used
 */
export function storeOptions(settings: RedisSettings): Pick<OpenStoreOptions, 'prefix' | 'tls'> {
  const tls = redisTls.partsOf(settings);
  if (isTlsInVain(settings.REDIS_URL, tls))
    throw new SettingsError([
      'REDIS_TLS_CA, _CERT and _KEY are for a REDIS_URL of rediss://, which it is not',
    ]);
  return {
    prefix: storePrefix({ environment: settings.ENVIRONMENT, issuer: settings.AUTH0_ISSUER_URL.href }),
    tls,
  };
}

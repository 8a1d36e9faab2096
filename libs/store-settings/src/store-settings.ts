import { defineSettings, SettingsError, text, tlsProblems, tlsSettings, type Settings } from '@app/ops';
import { type OpenStoreOptions, isTlsInVain, storeUrlProblem, storePrefix } from '@app/store';

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
  ...tlsSettings('REDIS_TLS', 'the Redis of a rediss:// URL'),
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
  const { REDIS_TLS_CA: ca, REDIS_TLS_CERT: cert, REDIS_TLS_KEY: key } = settings;
  const tls = { ca, cert, key };
  const problems = isTlsInVain(settings.REDIS_URL, tls)
    ? ['REDIS_TLS_CA, _CERT and _KEY are for a REDIS_URL of rediss://, which it is not']
    : tlsProblems('REDIS_TLS', tls, 'client');
  if (problems.length > 0) throw new SettingsError(problems);
  return {
    prefix: storePrefix({ environment: settings.ENVIRONMENT, issuer: settings.AUTH0_ISSUER_URL.href }),
    tls,
  };
}

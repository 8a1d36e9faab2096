import {
  accessLogSetting,
  defineSettings,
  issuerUrl,
  readSettings,
  secret,
  serviceSettings,
  text,
  type Environment,
  type Settings,
} from '@app/ops';

/** Environment variables of identity. */
export const identitySettings = defineSettings({
  ...serviceSettings({ port: 3002, opsPort: 9002 }),
  ACCESS_LOG: accessLogSetting,
  AUTH0_ISSUER_URL: {
    schema: issuerUrl().refine(({ pathname }) => pathname === '/', 'must have no path'),
    doc: 'issuer that tokens are signed as, with its trailing slash; services reach this server under it',
    localDefault: 'http://localhost:3002/',
    localOnly: ['http://localhost:3002/'],
  },
  IDENTITY_SEED: {
    schema: text().optional(),
    doc: 'path of the YAML file with users, clients and APIs; unset: the one for local work that comes along',
  },
  IDENTITY_KEYS: {
    schema: secret(1).optional(),
    doc: 'JWK Set of RSA private keys to sign with; unset: a new key at each start',
    secret: true,
    multiline: true,
  },
});

export type IdentityConfig = Settings<typeof identitySettings>;

/** @throws {SettingsError} */
export function readIdentityConfig(environment: Environment): IdentityConfig {
  return readSettings(identitySettings, environment);
}

import { authSettings } from '@app/auth-settings';
import {
  accessLogSetting,
  corsOriginsSetting,
  defineSettings,
  list,
  readSettings,
  secretList,
  serviceSettings,
  wholeNumber,
  type Environment,
  StartError,
  text,
  type Setting,
  type Settings,
} from '@app/ops';
import { z } from 'zod';

/** Shared with the command that edits clients. */
export const clientsSetting: Setting<string | undefined> = {
  schema: text().optional(),
  doc: 'OAuth clients: path of a YAML file, or redis: for those in REDIS_URL; unset: none (local: those that come along)',
};

/** Also shared with the command. */
export const clientSecretsSetting: Setting<readonly string[] | undefined> = {
  schema: secretList().optional(),
  doc: 'comma-separated, 32 characters or more each; the first seals OAuth clients in Redis, all open them; unset: TOKEN_CACHE_SECRET',
  secret: true,
};

/** Environment variables of gateway. */
export const gatewaySettings = defineSettings({
  ...serviceSettings({ port: 3000, opsPort: 9000 }),
  ACCESS_LOG: accessLogSetting,
  ...authSettings,
  CORS_ORIGINS: corsOriginsSetting,
  GATEWAY_CLIENTS: clientsSetting,
  CLIENT_SECRETS: clientSecretsSetting,
  GATEWAY_PUBLIC_URL: {
    schema: z
      .string()
      .regex(/^https?:\/\/[^?#@\s/]+$/, 'must be an origin such as https://login.acme.example')
      .optional(),
    doc: 'origin under which OAuth clients reach the gateway, their issuer (RFC 8414); needed with GATEWAY_CLIENTS',
  },
  LOGIN_REALMS: {
    schema: list().optional(),
    doc: "connections that a log-in may name as its realm, comma-separated; unset: none (local: the bundled server's)",
  },
  OAUTH_INVALID_GRANT_STATUS: {
    schema: z
      .enum(['400', '401'], { message: 'must be 400 or 401' })
      .transform((status): 400 | 401 => (status === '400' ? 400 : 401)),
    doc: 'status of a wrong user, password or refresh token at /oauth2/token; RFC 6749 says 400',
    default: '401',
  },
  TRUSTED_PROXY_HOPS: {
    schema: wholeNumber(0, 10),
    doc: "proxies of ours in front of the gateway, whose X-Forwarded-For is believed; 0: the socket's address",
    default: '0',
  },
});

export type GatewayConfig = Settings<typeof gatewaySettings> & { readonly LOGIN_REALMS: readonly string[] };

/** Default Directory of the bundled authorization server. */
const LOCAL_REALM = 'Username-Password-Authentication';

/** @throws {SettingsError | StartError} */
export function readGatewayConfig(environment: Environment): GatewayConfig {
  const settings = readSettings(gatewaySettings, environment);
  const { ENVIRONMENT, GATEWAY_CLIENTS: clients, GATEWAY_PUBLIC_URL: publicUrl } = settings;
  if (ENVIRONMENT !== 'local' && clients !== undefined && publicUrl === undefined) {
    throw new StartError(
      'GATEWAY_CLIENTS is set, so GATEWAY_PUBLIC_URL must say under which https origin those clients reach the gateway.',
    );
  }
  if (ENVIRONMENT !== 'local' && publicUrl?.startsWith('http:')) {
    throw new StartError('GATEWAY_PUBLIC_URL must be https: clients send their secrets and passwords there.');
  }
  return {
    ...settings,
    LOGIN_REALMS: settings.LOGIN_REALMS ?? (ENVIRONMENT === 'local' ? [LOCAL_REALM] : []),
  };
}

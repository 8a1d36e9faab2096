import { authSettings } from '@app/auth/settings';
import {
  defineSettings,
  issuerUrl,
  readSettings,
  serviceSettings,
  wholeNumber,
  type Environment,
  type Settings,
} from '@app/ops';

/** Environment variables of gateway. */
export const gatewaySettings = defineSettings({
  ...serviceSettings({ port: 3000, opsPort: 9000 }),
  ...authSettings,
  AUTH0_ISSUER_URL: {
    schema: issuerUrl(),
    doc: 'issuer, with its trailing slash, e.g. https://acme-dev.auth0.com/',
    localDefault: 'http://localhost:3002/',
  },
  TRUSTED_PROXY_HOPS: {
    schema: wholeNumber(0, 10),
    doc: "proxies of ours in front of the gateway, whose X-Forwarded-For is believed; 0: the socket's address",
    default: '0',
  },
});

export type GatewayConfig = Settings<typeof gatewaySettings>;

/** @throws {SettingsError} */
export function readGatewayConfig(environment: Environment): GatewayConfig {
  return readSettings(gatewaySettings, environment);
}

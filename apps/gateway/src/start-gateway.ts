import { authOptions } from '@app/auth/settings';
import { createHttpApplication, startHttpService, type Logger, type RunningHttpService } from '@app/ops';
import type { SharedStore } from '@app/redis';
import type { GatewayConfig } from './config.js';
import { REALM } from './edge/presented-token.decorator.js';
import { GatewayModule } from './gateway.module.js';

/** What a gateway process is given; the store stays the caller's to close. */
export interface GatewayEnvironment {
  readonly logger: Logger;
  /** Undefined where there is none that all services share; then every request asks user-token. */
  readonly store: SharedStore | undefined;
}

/** Starts the gateway: HTTP interface and ops listener. */
export async function startGateway(
  config: GatewayConfig,
  { logger, store }: GatewayEnvironment,
): Promise<RunningHttpService> {
  const options = authOptions(config, REALM, store);
  // `/auth/me` tells its holder about an opaque token as well, and that is only good for the issuer's userinfo.
  const audience = [...options.audience, `${config.AUTH0_ISSUER_URL.href}userinfo`];
  const app = await createHttpApplication(GatewayModule.forRoot({ ...options, audience }, logger), {
    logger,
    trustedProxyHops: config.TRUSTED_PROXY_HOPS,
  });
  return startHttpService('gateway', app, config, { logger, checks: {} });
}

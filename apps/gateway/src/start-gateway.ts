import { userTokenReadiness, type UserTokenReadiness, authOptions } from '@app/auth-settings';
import { storeCheck, type SharedStore } from '@app/store';
import {
  createHttpApplication,
  degradedAtMost,
  ensureServiceListenable,
  startHttpService,
  type Logger,
  type RenewedTls,
  type RunningHttpService,
} from '@app/ops';
import { UserTokenClient } from '@app/user-token-client';
import { openClientRegistry } from './adapters/open-client-registry.js';
import type { GatewayConfig } from './config.js';
import { wordOAuthError } from './edge/oauth-error.filter.js';
import { REALM } from './edge/presented-token.decorator.js';
import { GatewayModule } from './gateway.module.js';

/** Parts of a gateway process; the caller closes the store. */
export interface GatewayEnvironment {
  readonly logger: Logger;
  /** Undefined without a store shared by all services; then every request asks user-token. */
  readonly store: SharedStore | undefined;
  /** Certificates that are read again; when absent, those of the configuration stay. */
  readonly renewedTls?: RenewedTls | undefined;
}

/**
 * Starts the gateway: HTTP interface and ops listener.
 *
 * @throws {StartError} after stopping everything
 */
export async function startGateway(
  config: GatewayConfig,
  { logger, store, renewedTls }: GatewayEnvironment,
): Promise<RunningHttpService> {
  await ensureServiceListenable('gateway', config);
  const options = authOptions(config, REALM, store, logger, renewedTls);
  // `/auth/me` also answers for an opaque token, whose only audience is the issuer's userinfo.
  const audience = [...options.audience, `${config.AUTH0_ISSUER_URL.href}userinfo`];
  const clients = await openClientRegistry({
    location: config.GATEWAY_CLIENTS,
    environment: config.ENVIRONMENT,
    store,
    secrets: config.CLIENT_SECRETS ?? [config.TOKEN_CACHE_SECRET],
    log: logger,
  });
  let userToken: UserTokenReadiness | undefined;
  try {
    const oauth2 = {
      publicUrl: config.GATEWAY_PUBLIC_URL,
      audience: config.AUTH0_AUDIENCE,
      invalidGrantStatus: config.OAUTH_INVALID_GRANT_STATUS,
    };
    const login = { realms: config.LOGIN_REALMS };
    const module = GatewayModule.forRoot({ ...options, audience }, oauth2, clients, logger, login);
    const app = await createHttpApplication(module, {
      logger,
      trustedProxyHops: config.TRUSTED_PROXY_HOPS,
      corsOrigins: config.CORS_ORIGINS,
      accessLog: config.ACCESS_LOG,
      word: wordOAuthError,
    });
    const readiness = await userTokenReadiness(app.get(UserTokenClient), logger);
    userToken = readiness;
    // Never down, because our own front ends need no client. `npm run client` reads here what is in force.
    const checks = {
      clients: () => {
        const detail = clients.inForce();
        return { up: true, degraded: clients.trouble !== undefined, detail };
      },
      ...readiness.checks,
      // Without Redis the gateway is slower, not unready; user-token, which it asks, is unready.
      ...(store && { store: () => degradedAtMost(storeCheck(store)) }),
    };
    const running = await startHttpService('gateway', app, config, { logger, checks });
    app.get(UserTokenClient).connect();
    const stop = () =>
      running.stop().finally(() => {
        readiness.close();
        return clients.close();
      });
    return { ...running, stop };
  } catch (error) {
    userToken?.close();
    await clients.close();
    throw error;
  }
}

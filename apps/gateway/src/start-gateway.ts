import { userTokenReadiness, type UserTokenReadiness } from '@app/auth/readiness';
import { authOptions } from '@app/auth/settings';
import {
  createHttpApplication,
  degradedAtMost,
  ensureServiceListenable,
  startHttpService,
  type Logger,
  type RenewedTls,
  type RunningHttpService,
} from '@app/ops';
import { storeCheck, type SharedStore } from '@app/redis';
import { UserTokenClient } from '@app/user-token-client';
import { openClientRegistry } from './adapters/open-client-registry.js';
import type { GatewayConfig } from './config.js';
import { wordOAuthError } from './edge/oauth-error.filter.js';
import { REALM } from './edge/presented-token.decorator.js';
import { GatewayModule } from './gateway.module.js';

/** What a gateway process is given; the store stays the caller's to close. */
export interface GatewayEnvironment {
  readonly logger: Logger;
  /** Undefined where there is none that all services share; then every request asks user-token. */
  readonly store: SharedStore | undefined;
  /** Certificates that are read again; else those of the configuration stay. */
  readonly renewedTls?: RenewedTls | undefined;
}

/**
 * Starts the gateway: HTTP interface and ops listener.
 *
 * @throws {StartError} and then nothing is left running
 */
export async function startGateway(
  config: GatewayConfig,
  { logger, store, renewedTls }: GatewayEnvironment,
): Promise<RunningHttpService> {
  await ensureServiceListenable('gateway', config);
  const options = authOptions(config, REALM, store, logger, renewedTls);
  // `/auth/me` tells its holder about an opaque token as well, and that is only good for the issuer's userinfo.
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
    // Never down: our own front ends ask for no client. `npm run client` reads there what is in force.
    const checks = {
      clients: () => {
        const detail = clients.inForce();
        return { up: true, degraded: clients.trouble !== undefined, detail };
      },
      ...readiness.checks,
      // Redis being away makes the gateway slower, not unready; user-token is, which it asks.
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

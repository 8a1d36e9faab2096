import { userTokenReadiness, authOptions } from '@app/auth-settings';
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
import type { VenueConfig } from './config.js';
import { VenueModule } from './venue.module.js';

/** Parts of a venue process; the caller closes the store. */
export interface VenueEnvironment {
  readonly logger: Logger;
  /** Undefined without a store shared by all services; then every request asks user-token. */
  readonly store: SharedStore | undefined;
  /** Certificates that are read again; when absent, those of the configuration stay. */
  readonly renewedTls?: RenewedTls | undefined;
}

/**
 * Starts venue: HTTP interface and ops listener.
 *
 * @throws {StartError} after stopping everything
 */
export async function startVenue(
  config: VenueConfig,
  { logger, store, renewedTls }: VenueEnvironment,
): Promise<RunningHttpService> {
  await ensureServiceListenable('venue', config);
  const module = VenueModule.forRoot(authOptions(config, 'venue', store, logger, renewedTls), logger);
  const app = await createHttpApplication(module, {
    logger,
    corsOrigins: config.CORS_ORIGINS,
    accessLog: config.ACCESS_LOG,
  });
  const userToken = await userTokenReadiness(app.get(UserTokenClient), logger);
  // Without Redis the service is slower, not unready.
  const checks = { ...userToken.checks, ...(store && { store: () => degradedAtMost(storeCheck(store)) }) };
  try {
    const running = await startHttpService('venue', app, config, { logger, checks });
    app.get(UserTokenClient).connect();
    return { ...running, stop: () => running.stop().finally(() => userToken.close()) };
  } catch (error) {
    userToken.close();
    throw error;
  }
}

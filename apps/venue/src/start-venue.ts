import { userTokenReadiness } from '@app/auth/readiness';
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
import type { VenueConfig } from './config.js';
import { VenueModule } from './venue.module.js';

/** What a venue process is given; the store stays the caller's to close. */
export interface VenueEnvironment {
  readonly logger: Logger;
  /** Undefined where there is none that all services share; then every request asks user-token. */
  readonly store: SharedStore | undefined;
  /** Certificates that are read again; else those of the configuration stay. */
  readonly renewedTls?: RenewedTls | undefined;
}

/**
 * Starts venue: HTTP interface and ops listener.
 *
 * @throws {StartError} and then nothing is left running
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
  // Redis being away makes the service slower, not unready.
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

import { authOptions } from '@app/auth/settings';
import {
  ClockWatch,
  createHttpApplication,
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

/** Starts venue: HTTP interface and ops listener. */
export async function startVenue(
  config: VenueConfig,
  { logger, store, renewedTls }: VenueEnvironment,
): Promise<RunningHttpService> {
  const module = VenueModule.forRoot(authOptions(config, 'venue', store, renewedTls), logger);
  const app = await createHttpApplication(module, { logger, corsOrigins: config.CORS_ORIGINS });
  const clock = new ClockWatch(() => app.get(UserTokenClient).clock.skewMs, 'user-token', logger);
  // Redis being away makes the service slower, not unready.
  const running = await startHttpService('venue', app, config, {
    logger,
    checks: {
      clock: () => clock.check(),
      ...(store && { store: () => ({ ...storeCheck(store), up: true }) }),
    },
  });
  app.get(UserTokenClient).connect();
  return { ...running, stop: () => running.stop().finally(() => clock.close()) };
}

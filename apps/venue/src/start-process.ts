import { openSharedStore } from '@app/auth-settings';
import {
  createLogger,
  RenewedTls,
  tlsMaterialOf,
  warnOfUnread,
  type Environment,
  type RunningService,
} from '@app/ops';
import { readVenueConfig, venueSettings } from './config.js';
import { startVenue } from './start-venue.js';

/**
 * Starts venue in its own process.
 *
 * @throws {StartError}
 */
export async function startProcess(environment: Environment): Promise<RunningService> {
  const config = readVenueConfig(environment);
  const logger = createLogger({ service: 'venue', environment: config.ENVIRONMENT, level: config.LOG_LEVEL });
  warnOfUnread(venueSettings, environment, logger);
  const store = openSharedStore(config, logger);
  const renewedTls = RenewedTls.open({
    prefix: 'USER_TOKEN_TLS',
    role: 'client',
    material: tlsMaterialOf('USER_TOKEN_TLS', config, 'client'),
    environment,
    log: logger,
  });
  const running = await startVenue(config, { logger, store, renewedTls });
  const stop = () =>
    running.stop().finally(() => {
      renewedTls?.close();
      return store?.close();
    });
  return { ...running, stop };
}

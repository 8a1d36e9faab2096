import { openSharedStore, userTokenTls } from '@app/auth-settings';
import { createLogger, RenewedTls, warnOfUnread, type Environment, type RunningService } from '@app/ops';
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
    settings: userTokenTls,
    material: userTokenTls.materialOf(config),
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

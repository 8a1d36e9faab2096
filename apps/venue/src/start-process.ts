import { openSharedStore } from '@app/auth/settings';
import { createLogger, warnOfUnread, type Environment, type RunningService } from '@app/ops';
import { readVenueConfig, venueSettings } from './config.js';
import { startVenue } from './start-venue.js';

/**
 * Starts venue in a process of its own.
 *
 * @throws {StartError}
 */
export async function startProcess(environment: Environment): Promise<RunningService> {
  const config = readVenueConfig(environment);
  const logger = createLogger({ service: 'venue', environment: config.ENVIRONMENT, level: config.LOG_LEVEL });
  warnOfUnread(venueSettings, environment, logger);
  const store = openSharedStore(config.REDIS_URL, logger);
  const running = await startVenue(config, { logger, store });
  return { ...running, stop: () => running.stop().finally(() => store?.close()) };
}

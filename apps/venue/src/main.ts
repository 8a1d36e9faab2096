import { openSharedStore } from '@app/auth/settings';
import { createLogger, runService } from '@app/ops';
import { readVenueConfig } from './config.js';
import { startVenue } from './start-venue.js';

await runService('venue', async () => {
  const config = readVenueConfig(process.env);
  const logger = createLogger({ service: 'venue', environment: config.ENVIRONMENT, level: config.LOG_LEVEL });
  const store = openSharedStore(config, logger);
  const running = await startVenue(config, { logger, store });
  return { ...running, stop: () => running.stop().finally(() => store?.close()) };
});

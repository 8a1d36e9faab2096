import { createLogger, warnOfUnread, type Environment, type RunningService } from '@app/ops';
import { openStore } from '@app/redis';
import { readUserTokenConfig, userTokenSettings } from './config.js';
import { startUserToken } from './start-user-token.js';

/**
 * Starts user-token in a process of its own.
 *
 * @throws {StartError}
 */
export async function startProcess(environment: Environment): Promise<RunningService> {
  const config = readUserTokenConfig(environment);
  const logger = createLogger({
    service: 'user-token',
    environment: config.environment,
    level: config.logLevel,
  });
  warnOfUnread(userTokenSettings, environment, logger);
  const store = openStore(config.redisUrl, { log: logger });
  const running = await startUserToken(config, { store, logger });
  return { ...running, stop: () => running.stop().finally(() => store.close()) };
}

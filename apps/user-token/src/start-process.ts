import { createLogger, RenewedTls, warnOfUnread, type Environment, type RunningService } from '@app/ops';
import { openStore } from '@app/store';
import { connectionTls, readUserTokenConfig, userTokenSettings } from './config.js';
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
  const renewedTls = RenewedTls.open({
    settings: connectionTls,
    material: config.tls,
    environment,
    log: logger,
  });
  const store = openStore(config.redisUrl, { ...config.storeOptions, log: logger });
  const running = await startUserToken(config, { store, logger, renewedTls });
  const stop = () =>
    running.stop().finally(() => {
      renewedTls?.close();
      return store.close();
    });
  return { ...running, stop };
}

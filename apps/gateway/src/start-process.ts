import { openSharedStore } from '@app/auth/settings';
import { createLogger, warnOfUnread, type Environment, type RunningService } from '@app/ops';
import { gatewaySettings, readGatewayConfig } from './config.js';
import { startGateway } from './start-gateway.js';

/**
 * Starts the gateway in a process of its own.
 *
 * @throws {StartError}
 */
export async function startProcess(environment: Environment): Promise<RunningService> {
  const config = readGatewayConfig(environment);
  const logger = createLogger({
    service: 'gateway',
    environment: config.ENVIRONMENT,
    level: config.LOG_LEVEL,
  });
  warnOfUnread(gatewaySettings, environment, logger);
  const store = openSharedStore(config.REDIS_URL, logger);
  const running = await startGateway(config, { logger, store });
  return { ...running, stop: () => running.stop().finally(() => store?.close()) };
}

import { openSharedStore, userTokenTls } from '@app/auth-settings';
import { createLogger, RenewedTls, warnOfUnread, type Environment, type RunningService } from '@app/ops';
import { IN_STORE, ofClients } from './adapters/open-client-registry.js';
import { gatewaySettings, readGatewayConfig } from './config.js';
import { startGateway } from './start-gateway.js';

/**
 * Starts the gateway in its own process.
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
  const store = openSharedStore(
    config,
    logger,
    config.GATEWAY_CLIENTS === IN_STORE ? ofClients : { use: 'cache' },
  );
  const renewedTls = RenewedTls.open({
    settings: userTokenTls,
    material: userTokenTls.materialOf(config),
    environment,
    log: logger,
  });
  const running = await startGateway(config, { logger, store, renewedTls });
  const stop = () =>
    running.stop().finally(() => {
      renewedTls?.close();
      return store?.close();
    });
  return { ...running, stop };
}

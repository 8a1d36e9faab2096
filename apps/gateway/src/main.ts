import { openSharedStore } from '@app/auth/settings';
import { createLogger, runService } from '@app/ops';
import { FORMER_NAMES } from '@app/user-token-client';
import { readGatewayConfig } from './config.js';
import { startGateway } from './start-gateway.js';

await runService('gateway', async () => {
  const config = readGatewayConfig(process.env);
  const logger = createLogger({
    service: 'gateway',
    environment: config.ENVIRONMENT,
    level: config.LOG_LEVEL,
  });
  const store = openSharedStore(config, logger, { use: 'cache', formerNames: FORMER_NAMES });
  const running = await startGateway(config, { logger, store });
  return { ...running, stop: () => running.stop().finally(() => store?.close()) };
});

import { createLogger, runService } from '@app/ops';
import { openStore } from '@app/redis';
import { readUserTokenConfig } from './config.js';
import { startUserToken } from './start-user-token.js';

await runService('user-token', async () => {
  const config = readUserTokenConfig(process.env);
  const logger = createLogger({
    service: 'user-token',
    environment: config.environment,
    level: config.logLevel,
  });
  const store = openStore(config.redisUrl, { ...config.storeOptions, log: logger });
  const running = await startUserToken(config, { store, logger });
  return { ...running, stop: () => running.stop().finally(() => store.close()) };
});

import { createLogger, runService } from '@app/ops';
import { readIdentityConfig } from './config.js';
import { startIdentity } from './start-identity.js';

await runService('identity', async () => {
  const config = readIdentityConfig(process.env);
  const logger = createLogger({
    service: 'identity',
    environment: config.ENVIRONMENT,
    level: config.LOG_LEVEL,
  });
  return startIdentity(config, { logger });
});

import { createLogger, warnOfUnread, type Environment, type RunningService } from '@app/ops';
import { identitySettings, readIdentityConfig } from './config.js';
import { startIdentity } from './start-identity.js';

/**
 * Starts the authorization server in its own process.
 *
 * @throws {StartError}
 */
export async function startProcess(environment: Environment): Promise<RunningService> {
  const config = readIdentityConfig(environment);
  const logger = createLogger({
    service: 'identity',
    environment: config.ENVIRONMENT,
    level: config.LOG_LEVEL,
  });
  warnOfUnread(identitySettings, environment, logger);
  return startIdentity(config, { logger });
}

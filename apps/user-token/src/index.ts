export { readUserTokenConfig, userTokenSettings, type UserTokenConfig } from './config.js';
export { startUserToken, type RunningUserToken, type UserTokenEnvironment } from './start-user-token.js';

export { authOptions, authSettings, openSharedStore, userTokenTls } from './auth-settings.js';
export { userTokenReadiness, type UserTokenReadiness } from './user-token-readiness.js';

export { authOptions, authSettings, openSharedStore } from './auth-settings.js';
export { userTokenReadiness, type UserTokenReadiness } from './user-token-readiness.js';

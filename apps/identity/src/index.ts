export { identitySettings, readIdentityConfig, type IdentityConfig } from './config.js';
export { startIdentity, type RunningIdentity } from './start-identity.js';

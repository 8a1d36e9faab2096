export { identitySettings, readIdentityConfig, type IdentityConfig } from './config.js';
export { type Clock } from './core/clock.js';
export {
  CredentialCheck,
  UserDirectory,
  type Credentials,
  type CredentialVerdict,
} from './core/credential-check.js';
export { type Client, type Clients } from './core/clients.js';
export { type User } from './core/directory.js';
export { startIdentity, type IdentityEnvironment, type RunningIdentity } from './start-identity.js';
export { type Tenant } from './tenant.js';

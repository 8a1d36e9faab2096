export { AuthModule, type AuthAsyncOptions } from './auth.module.js';
export { type AuthCacheOptions, type AuthOptions } from './auth.options.js';
export {
  readBearerCredentials,
  type BearerCredentials,
  type BearerRequest,
} from './http/bearer-credentials.js';
export { bearerChallenge, type BearerChallenge } from './http/bearer-challenge.js';
export { BearerGuard } from './http/bearer.guard.js';
export { BearerRefusal, INVALID_TOKEN_DESCRIPTION, VerdictUnavailable } from './http/bearer-refusal.js';
export { revoked } from './http/revoked.js';
export { CurrentUser, Permissions, Public, Scopes } from './routes/route-access.decorators.js';
export { TokenInspection } from './tokens/token-inspection.js';
export { TokenVerifier } from './tokens/token-verifier.js';
export { type Principal } from '@app/contract';

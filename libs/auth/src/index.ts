export { AuthModule, type AuthAsyncOptions } from './auth.module.js';
export { type AuthCacheOptions, type AuthOptions } from './auth.options.js';
export {
  readAuthorization,
  SEVERAL_AUTHORIZATIONS,
  type RequestHeaders,
} from './http/authorization-header.js';
export { bearerChallenge, type BearerChallenge } from './http/bearer-challenge.js';
export { BearerRefusal, VerdictUnavailable } from './http/bearer-refusal.js';
export { readBearerToken, type BearerRequest } from './http/bearer-token.js';
export { BearerGuard } from './http/bearer.guard.js';
export { revoked } from './http/revoked.js';
export { CurrentUser, Permissions, Public, Scopes } from './routes/route-access.decorators.js';
export { INVALID_TOKEN_DESCRIPTION, type BearerError, type Refusal } from './tokens/refusal.js';
export { TokenInspection } from './tokens/token-inspection.js';
export { TokenVerifier } from './tokens/token-verifier.js';
export { type CanonicalToken, type Principal } from '@app/contract';

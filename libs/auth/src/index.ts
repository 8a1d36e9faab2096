export { AuthModule, type AuthAsyncOptions } from './auth.module.js';
export { type AuthCacheOptions, type AuthOptions } from './auth.options.js';
export { readBearerCredentials, type BearerCredentials, type BearerRequest } from './bearer-credentials.js';
export { bearerChallenge, type BearerChallenge } from './bearer-challenge.js';
export { BearerGuard } from './bearer.guard.js';
export { BearerRefusal, INVALID_TOKEN_DESCRIPTION, VerdictUnavailable } from './bearer-refusal.js';
export { CurrentUser, Permissions, Public, Scopes } from './route-access.decorators.js';
export { TokenVerifier } from './token-verifier.js';
export { type Principal } from '@app/user-token-client';

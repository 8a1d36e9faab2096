import { AuthModule, BearerGuard, Scopes, type AuthCacheOptions } from '@app/auth';
import { openStore, storePrefix } from '@app/store';
import { serveNest, setting, type NestServer } from './serve.js';
import { REQUIRED_SCOPE } from './venues.js';

/** Ours, as the README tells to set it up. */
export function serveBearerGuard(
  cache: Omit<AuthCacheOptions, 'secret'>,
  platform: NestServer['platform'] = 'fastify',
): Promise<void> {
  const auth = AuthModule.forRoot({
    audience: setting('AUDIENCE'),
    userToken: { urls: setting('USER_TOKEN_URL') },
    store: openStore(setting('REDIS_URL'), {
      prefix: storePrefix({ environment: 'bench', issuer: setting('ISSUER') }),
    }),
    cache: { secret: setting('TOKEN_CACHE_SECRET'), ...cache },
  });
  return serveNest({
    platform,
    guard: BearerGuard,
    decorate: Scopes(REQUIRED_SCOPE),
    module: { imports: [auth] },
  });
}

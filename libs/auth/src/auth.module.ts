import {
  Inject,
  Module,
  type DynamicModule,
  type FactoryProvider,
  type ModuleMetadata,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { CACHE_MANAGER, CacheModule, type Cache } from '@nestjs/cache-manager';
import { DiscoveryModule } from '@nestjs/core';
import { UserTokenClient } from '@app/user-token-client';
import {
  AUTH_OPTIONS,
  resolveAuthOptions,
  type AuthOptions,
  type ResolvedAuthOptions,
} from './auth.options.js';
import { BearerGuard } from './http/bearer.guard.js';
import { Clock, UserTokenClock } from './tokens/clock.js';
import { PrincipalResolver, type TokenCaches } from './tokens/principal-resolver.js';
import { nestCacheOver } from './cache/nest-cache.js';
import { ProcessTokenCache } from './cache/process-token-cache.js';
import { RevocationFeed } from './tokens/revocation-feed.js';
import { RevocationWatch } from './tokens/revocation-watch.js';
import { RouteCheck } from './routes/route-check.js';
import { RouteRequirements } from './routes/route-requirements.js';
import { SharedTokenCache } from './cache/shared-token-cache.js';
import { TokenInspection } from './tokens/token-inspection.js';
import { TcpTokenVerifier } from './tokens/tcp-token-verifier.js';
import { TokenVerifier } from './tokens/token-verifier.js';

const TOKEN_CACHES = Symbol('TOKEN_CACHES');

/** Options that come from other providers, as in every Nest `forRootAsync`. */
export interface AuthAsyncOptions extends Pick<ModuleMetadata, 'imports'> {
  readonly inject?: FactoryProvider['inject'];
  readonly useFactory: (...dependencies: never[]) => AuthOptions | Promise<AuthOptions>;
}

/**
 * Everything a service needs to trust a bearer token. Import it once, in the root module (each further call would make a
 * second cache), and register the guard where it can be seen: `{ provide: APP_GUARD, useExisting: BearerGuard }` closes
 * every route of an HTTP application, `@UseGuards(BearerGuard)` one controller.
 */
@Module({})
export class AuthModule implements OnApplicationShutdown {
  constructor(
    private readonly userToken: UserTokenClient,
    @Inject(AUTH_OPTIONS) private readonly options: ResolvedAuthOptions,
  ) {}

  static forRoot(options: AuthOptions): DynamicModule {
    return this.forRootAsync({ useFactory: () => options });
  }

  static forRootAsync({ imports = [], inject = [], useFactory }: AuthAsyncOptions): DynamicModule {
    const options: DynamicModule = {
      module: AuthOptionsModule,
      imports,
      providers: [
        {
          provide: AUTH_OPTIONS,
          inject,
          useFactory: async (...dependencies: never[]) =>
            resolveAuthOptions(await useFactory(...dependencies)),
        },
      ],
      exports: [AUTH_OPTIONS],
    };
    return {
      module: AuthModule,
      global: true,
      imports: [
        options,
        DiscoveryModule,
        CacheModule.registerAsync({
          imports: [options],
          inject: [AUTH_OPTIONS],
          useFactory: ({ store }: ResolvedAuthOptions) => ({ stores: store ? [nestCacheOver(store)] : [] }),
        }),
      ],
      providers: [
        BearerGuard,
        RevocationWatch,
        RouteRequirements,
        RouteCheck,
        TokenInspection,
        {
          provide: UserTokenClient,
          inject: [AUTH_OPTIONS],
          useFactory: ({ userToken }: ResolvedAuthOptions) =>
            userToken instanceof UserTokenClient ? userToken : new UserTokenClient(userToken),
        },
        { provide: TokenVerifier, useClass: TcpTokenVerifier },
        { provide: Clock, useClass: UserTokenClock },
        {
          provide: RevocationFeed,
          inject: [AUTH_OPTIONS],
          useFactory: ({ store }: ResolvedAuthOptions) => store && new RevocationFeed(store),
        },
        {
          provide: TOKEN_CACHES,
          inject: [AUTH_OPTIONS, CACHE_MANAGER, Clock, { token: RevocationFeed, optional: true }],
          useFactory: tokenCaches,
        },
        {
          provide: PrincipalResolver,
          inject: [AUTH_OPTIONS, TokenVerifier, Clock, { token: TOKEN_CACHES, optional: true }],
          useFactory: (
            { cache }: ResolvedAuthOptions,
            verifier: TokenVerifier,
            clock: Clock,
            caches?: TokenCaches,
          ) =>
            new PrincipalResolver(
              verifier,
              caches,
              { ttlMs: cache.refusalTtlMs, max: cache.maxRefusals },
              clock,
            ),
        },
      ],
      // Nest builds one guard from these in each module that names it in @UseGuards().
      exports: [
        BearerGuard,
        UserTokenClient,
        PrincipalResolver,
        RouteRequirements,
        TokenInspection,
        Clock,
        options,
      ],
    };
  }

  onApplicationShutdown(): void {
    if (this.options.userToken !== this.userToken) this.userToken.close();
  }
}

@Module({})
class AuthOptionsModule {}

function tokenCaches(
  { store, cache: options }: ResolvedAuthOptions,
  cache: Cache,
  clock: Clock,
  feed: RevocationFeed | undefined,
): TokenCaches | undefined {
  if (!store || !feed) return undefined;
  const processCache = new ProcessTokenCache(options, feed);
  feed.tell(processCache);
  return {
    process: processCache,
    shared: new SharedTokenCache(store, cache, options, clock),
  };
}

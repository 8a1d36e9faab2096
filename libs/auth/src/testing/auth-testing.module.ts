import { Module, type DynamicModule } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { UserTokenClient } from '@app/user-token-client';
import { AUTH_OPTIONS, resolveAuthOptions } from '../auth.options.js';
import { BearerGuard } from '../http/bearer.guard.js';
import { Clock, OwnClock } from '../tokens/clock.js';
import { PrincipalResolver } from '../tokens/principal-resolver.js';
import { RevocationWatch } from '../tokens/revocation-watch.js';
import { RouteCheck } from '../routes/route-check.js';
import { RouteRequirements } from '../routes/route-requirements.js';
import { TokenInspection } from '../tokens/token-inspection.js';
import { TokenVerifier } from '../tokens/token-verifier.js';
import { TestUserTokenClient } from './test-user-token-client.js';
import { TestTokenVerifier } from './test-users.js';

/**
 * In place of `AuthModule` in a service's own tests: the real guard, and no Redis, no user-token, no network. Requests
 * carry the headers that `asUser({ subject, scopes, permissions })` makes; every other token is refused. Everything that
 * `AuthModule` exports is here as well; a spec sets the answers of `UserTokenClient` itself.
 *
 * > [!WARNING]
 * > A client of an application built with this module can pose as any user. It lives in `@app/auth/testing` so that no
 * > application imports it by accident, and the linter refuses that path outside of specs.
 */
@Module({})
export class AuthTestingModule {
  static forRoot({ audience = 'https://api.test/', realm = 'api' } = {}): DynamicModule {
    const options = resolveAuthOptions({
      audience,
      realm,
      userToken: { urls: 'tcp://127.0.0.1:1' },
      log: { debug: () => undefined, info: () => undefined },
    });
    const verifier = new TestTokenVerifier(options.audience);
    const clock = new OwnClock();
    return {
      module: AuthTestingModule,
      global: true,
      imports: [DiscoveryModule],
      providers: [
        BearerGuard,
        RevocationWatch,
        RouteRequirements,
        RouteCheck,
        TokenInspection,
        { provide: AUTH_OPTIONS, useValue: options },
        { provide: TokenVerifier, useValue: verifier },
        { provide: UserTokenClient, useValue: new TestUserTokenClient(verifier) },
        { provide: Clock, useValue: clock },
        {
          provide: PrincipalResolver,
          useValue: new PrincipalResolver(verifier, undefined, { ttlMs: 1_000, max: 100 }, clock),
        },
      ],
      exports: [
        BearerGuard,
        UserTokenClient,
        PrincipalResolver,
        RouteRequirements,
        TokenInspection,
        Clock,
        AUTH_OPTIONS,
      ],
    };
  }
}

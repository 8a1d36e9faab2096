import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { LineLimit, type InFlight, type Logger } from '@app/ops';
import type { SharedStore } from '@app/store';
import { firstSightsSinceSeconds, RefusalLog } from '@app/contract';
import { CountedTokenCheck } from './adapters/token-checks/counted-token-check.js';
import { DatedGrants } from './adapters/token-checks/dated-grants.js';
import { FirstSights } from './adapters/token-checks/first-sights.js';
import { FleetTokenCheck } from './adapters/token-checks/fleet-token-check.js';
import { GrantedTokenCheck } from './adapters/token-checks/granted-token-check.js';
import { IssuerChecks } from './adapters/auth0/issuer-checks.js';
import { issuerFetch } from './adapters/auth0/issuer-fetch.js';
import { IssuerKeys } from './adapters/auth0/issuer-keys.js';
import { JwksTokenCheck } from './adapters/token-checks/jwks-token-check.js';
import { LoggedTokenCheck } from './adapters/token-checks/logged-token-check.js';
import { OpenidAuthorizationServer } from './adapters/auth0/openid-authorization-server.js';
import { PrincipalClaims } from './adapters/token-checks/principal-claims.js';
import { SealedBox } from './adapters/store/sealed-box.js';
import { roomForDenials } from './adapters/denials/room-for-denials.js';
import { StoreDenials } from './adapters/denials/store-denials.js';
import { IssuedTokenCheck } from './adapters/token-checks/issued-token-check.js';
import { SealedMfaHandles } from './adapters/store/sealed-mfa-handles.js';
import { StoreAttempts } from './adapters/store/store-attempts.js';
import { StoreIssuedAccessTokens, StoreSessions } from './adapters/store/store-sessions.js';
import { TokenCheckByForm } from './adapters/token-checks/token-check-by-form.js';
import { UserinfoTokenCheck } from './adapters/token-checks/userinfo-token-check.js';
import type { UserTokenConfig } from './config.js';
import { AuthorizationServer } from './core/authorization-server.js';
import { nowInSeconds, type Clock } from './core/clock.js';
import { Denials, MAX_TOKEN_LIFETIME_SECONDS } from './core/denials.js';
import { TokenIssuances } from './core/token-issuance.js';
import { IssuedTokens } from './core/issued-tokens.js';
import { LogIn } from './core/log-in.js';
import { LogOut } from './core/log-out.js';
import { RefreshSession } from './core/refresh-session.js';
import { RevokeSubject } from './core/revoke-subject.js';
import { SessionAccess } from './core/session-access.js';
import { Sessions } from './core/sessions.js';
import { TokenCheck } from './core/token-check.js';
import { UserSessions } from './core/user-sessions.js';
import { VerifyToken } from './core/verify-token.js';
import { CallInterceptor } from './edge/call.interceptor.js';
import { FailureFilter } from './edge/failure.filter.js';
import { Failures } from './edge/failures.js';
import { GrantController } from './edge/grant.controller.js';
import { PayloadPipe } from './edge/payload.pipe.js';
import { ReplyClock } from './edge/reply-clock.js';
import { SessionController } from './edge/session.controller.js';
import { TokenController } from './edge/token.controller.js';

/** How long the fleet remembers that an opaque token was refused. */
const OPAQUE_REFUSAL_SECONDS = 60;

/** A log-in that has waited for so long, and is then answered within the deadline, is still waited for by the gateway. */
const ATTEMPT_WAIT_MS = 3_000;

const JWKS_REFRESH_SECONDS = 600;
const JWKS_FETCH_LIMIT = { fetches: 2, seconds: 30 };
const JWKS_GRANTED_FETCH_LIMIT = { fetches: 10, seconds: 30 };

export interface UserTokenDependencies {
  readonly store: SharedStore;
  readonly logger: Logger;
  readonly inFlight: InFlight;
  /** Of what the replicas share. Default: the store's. */
  readonly clock?: Clock;
}

/** Which adapter stands behind which port. */
@Module({})
export class UserTokenModule {
  static forRoot(
    config: UserTokenConfig,
    { store, logger, inFlight, clock = store }: UserTokenDependencies,
  ): DynamicModule {
    const { issuer } = config;
    const nowSeconds = () => nowInSeconds(clock);
    const refusals = new RefusalLog(logger);
    const claims = new PrincipalClaims(config.principalClaims, logger);
    const upstream = {
      issuer,
      clientId: config.clientId,
      clientSecret: config.clientSecret,
      audience: config.audience[0]!,
      scope: config.scope,
      realm: config.realm,
      denialDescriptions: config.denialDescriptions,
      timeoutMs: config.upstreamTimeoutMs,
      fetch: issuerFetch(config.proxy),
    };
    const authorizationServer = new OpenidAuthorizationServer(upstream, logger);
    const keys = new IssuerKeys({
      jwksUri: () => authorizationServer.jwksUri(),
      timeoutMs: config.upstreamTimeoutMs,
      refreshAfterSeconds: JWKS_REFRESH_SECONDS,
      maxStaleSeconds: config.jwksMaxStaleSeconds,
      fetchLimit: JWKS_FETCH_LIMIT,
      grantedFetchLimit: JWKS_GRANTED_FETCH_LIMIT,
      clockToleranceSeconds: config.clockToleranceSeconds,
      nowSeconds,
      fetch: upstream.fetch,
      log: logger,
    });
    const checks = new IssuerChecks(authorizationServer, {
      ...upstream,
      clockToleranceSeconds: config.clockToleranceSeconds,
      nowMs: () => clock.nowMs(),
    });
    const unopened = new LineLimit({ lines: 1, perMs: 600_000 });
    const box = new SealedBox(config.sessionSecrets, () => {
      const admitted = unopened.admit('');
      if (admitted)
        logger.warn(
          admitted,
          'what stands in Redis was sealed with none of SESSION_SECRETS, and its session is lost: list the former secrets after the first',
        );
    });
    const issuedAccessTokens = new StoreIssuedAccessTokens(store, box);
    const lifetimes = {
      idleSeconds: config.sessionIdleSeconds,
      absoluteSeconds: config.sessionAbsoluteSeconds,
    };
    const firstSights = new FirstSights(store, box, {
      maxTokenLifetimeSeconds: MAX_TOKEN_LIFETIME_SECONDS,
      firstSightsSinceSeconds: (generation) => firstSightsSinceSeconds(generation, store.serverId),
    });
    const datedGrants = new DatedGrants(authorizationServer, firstSights, nowSeconds);
    const userinfo = new UserinfoTokenCheck(
      authorizationServer,
      {
        issuer,
        nowSeconds,
        recheckSeconds: config.opaqueRecheckSeconds,
      },
      claims,
    );
    const jwtOptions = {
      issuer,
      audience: config.audience,
      clockToleranceSeconds: config.clockToleranceSeconds,
      maxLifetimeSeconds: MAX_TOKEN_LIFETIME_SECONDS,
      nowSeconds,
    };
    const fleetOptions = {
      refusalSeconds: OPAQUE_REFUSAL_SECONDS,
      askMs: 2 * config.upstreamTimeoutMs + 1_000,
    };
    const counted = new CountedTokenCheck(userinfo, store, config.opaqueUnknownPerMinute);
    const issued = new IssuedTokenCheck(issuedAccessTokens, clock);
    const tokenCheck = new TokenCheckByForm(
      new JwksTokenCheck(jwtOptions, keys.find, claims),
      new FleetTokenCheck(userinfo, counted, store, box, firstSights, fleetOptions),
      issued,
    );
    // What strangers send uses nothing up that the tokens of log-ins and refreshes need.
    const grantedTokenCheck = new GrantedTokenCheck(
      new TokenCheckByForm(
        new JwksTokenCheck(jwtOptions, keys.findForGranted, claims),
        new FleetTokenCheck(userinfo, userinfo, store, box, firstSights, fleetOptions),
        issued,
        'check',
      ),
      logger,
    );
    const sessions = new StoreSessions(store, box, {
      idleSeconds: config.sessionIdleSeconds,
      replayWindowSeconds: config.replayWindowSeconds,
      clientReplayWindowSeconds: config.clientReplayWindowSeconds,
      reuseDetectionSeconds: config.reuseDetectionSeconds,
      // The holder may have to discover, to ask, and to fetch keys, each within the deadline, and to write.
      lockMs: 3 * config.upstreamTimeoutMs + 2_000,
      clock,
    });
    const refreshing = {
      ...lifetimes,
      waitMs: config.upstreamTimeoutMs,
      expiredLimitSeconds: config.refreshExpiredLimitSeconds,
      clock,
    };
    const attemptTimes = {
      // It may have to discover and to ask, each within the deadline.
      leaseMs: 2 * config.upstreamTimeoutMs + 5_000,
      waitMs: ATTEMPT_WAIT_MS,
    };
    const failures = new Failures(logger);
    return {
      module: UserTokenModule,
      controllers: [TokenController, SessionController, GrantController],
      providers: [
        { provide: AuthorizationServer, useValue: authorizationServer },
        { provide: IssuerKeys, useValue: keys },
        { provide: IssuerChecks, useValue: checks },
        { provide: TokenCheck, useValue: tokenCheck },
        { provide: GrantedTokenCheck, useValue: grantedTokenCheck },
        { provide: Sessions, useValue: sessions },
        { provide: TokenIssuances, useValue: new TokenIssuances(lifetimes, clock) },
        {
          provide: Denials,
          useFactory: () =>
            new StoreDenials(
              store,
              {
                whenUnknown: config.denialsUnknown,
                whenAgeUnknown: config.opaqueUnknownAge,
                maxLocal: roomForDenials(),
                clockToleranceSeconds: config.clockToleranceSeconds,
                subjectDenialSeconds: Math.max(MAX_TOKEN_LIFETIME_SECONDS, config.sessionIdleSeconds),
              },
              logger,
            ),
        },
        {
          provide: VerifyToken,
          inject: [TokenCheck, Denials],
          useFactory: (check: TokenCheck, denials: Denials) => new VerifyToken(check, denials, refusals),
        },
        {
          provide: LogIn,
          inject: [Denials, LogOut],
          useFactory: (denials: Denials, logOut: LogOut) =>
            new LogIn(
              datedGrants,
              grantedTokenCheck,
              denials,
              sessions,
              logOut,
              new StoreAttempts(store, config.attemptLimits, attemptTimes),
              new SealedMfaHandles(new SealedBox(config.sessionSecrets)),
              refreshing,
              logger,
            ),
        },
        {
          provide: RefreshSession,
          inject: [Denials, LogOut],
          useFactory: (denials: Denials, logOut: LogOut) =>
            new RefreshSession(datedGrants, grantedTokenCheck, denials, sessions, logOut, refreshing, logger),
        },
        {
          provide: LogOut,
          inject: [Denials],
          useFactory: (denials: Denials) =>
            new LogOut(
              authorizationServer,
              new LoggedTokenCheck(tokenCheck, refusals),
              denials,
              sessions,
              refreshing,
            ),
        },
        {
          provide: SessionAccess,
          inject: [VerifyToken],
          useFactory: (verifyToken: VerifyToken) => new SessionAccess(verifyToken, sessions, config),
        },
        {
          provide: RevokeSubject,
          inject: [SessionAccess, Denials, LogOut],
          useFactory: (access: SessionAccess, denials: Denials, logOut: LogOut) =>
            new RevokeSubject(access, denials, logOut),
        },
        {
          provide: UserSessions,
          inject: [SessionAccess, Denials, LogOut],
          useFactory: (access: SessionAccess, denials: Denials, logOut: LogOut) =>
            new UserSessions(access, denials, sessions, logOut, lifetimes, clock),
        },
        {
          provide: IssuedTokens,
          inject: [Denials, LogOut],
          useFactory: (denials: Denials, logOut: LogOut) =>
            new IssuedTokens(issuedAccessTokens, sessions, denials, logOut, lifetimes, clock),
        },
        { provide: ReplyClock, useValue: clock satisfies ReplyClock },
        { provide: APP_PIPE, useValue: new PayloadPipe() },
        { provide: Failures, useValue: failures },
        { provide: APP_FILTER, useValue: new FailureFilter(failures) },
        { provide: APP_INTERCEPTOR, useValue: new CallInterceptor(inFlight, logger) },
      ],
    };
  }
}

import { firstSightsSinceSeconds, RefusalLog } from '@app/contract';
import { LineLimit, type CheckResult, type Logger } from '@app/ops';
import type { SharedStore } from '@app/store';
import { IssuerChecks } from './adapters/auth0/issuer-checks.js';
import { issuerFetch } from './adapters/auth0/issuer-fetch.js';
import { IssuerKeys } from './adapters/auth0/issuer-keys.js';
import { OpenidAuthorizationServer } from './adapters/auth0/openid-authorization-server.js';
import { roomForDenials } from './adapters/denials/room-for-denials.js';
import { StoreDenials } from './adapters/denials/store-denials.js';
import { SealedBox } from './adapters/store/sealed-box.js';
import { SealedMfaHandles } from './adapters/store/sealed-mfa-handles.js';
import { StoreAttempts } from './adapters/store/store-attempts.js';
import { StoreIssuedAccessTokens, StoreSessions } from './adapters/store/store-sessions.js';
import { CountedTokenCheck } from './adapters/token-checks/counted-token-check.js';
import { DatedGrants } from './adapters/token-checks/dated-grants.js';
import { FirstSights } from './adapters/token-checks/first-sights.js';
import { FleetTokenCheck } from './adapters/token-checks/fleet-token-check.js';
import { GrantedTokenCheck } from './adapters/token-checks/granted-token-check.js';
import { IssuedTokenCheck } from './adapters/token-checks/issued-token-check.js';
import { JwksTokenCheck } from './adapters/token-checks/jwks-token-check.js';
import { PrincipalClaims } from './adapters/token-checks/principal-claims.js';
import { TokenCheckByForm } from './adapters/token-checks/token-check-by-form.js';
import { UserinfoTokenCheck } from './adapters/token-checks/userinfo-token-check.js';
import type { UserTokenConfig } from './config.js';
import type { Attempts } from './core/log-in/attempts.js';
import type { AuthorizationServer } from './core/authorization-server.js';
import { nowInSeconds, type Clock } from './core/clock.js';
import { MAX_TOKEN_LIFETIME_SECONDS, type Denials } from './core/tokens/denials.js';
import { IssuedTokens, type IssuedAccessTokens } from './core/tokens/issued-tokens.js';
import { LogIn } from './core/log-in/log-in.js';
import { LogOut } from './core/sessions/log-out.js';
import type { MfaHandles } from './core/log-in/mfa-handles.js';
import { RefreshSession } from './core/sessions/refresh-session.js';
import { RevokeSubject } from './core/sessions/revoke-subject.js';
import { SessionAccess } from './core/sessions/session-access.js';
import type { Sessions } from './core/sessions/sessions.js';
import type { GrantCheck, TokenCheck } from './core/tokens/token-check.js';
import { TokenIssuances } from './core/tokens/token-issuance.js';
import { UserSessions } from './core/sessions/user-sessions.js';
import { VerifyToken } from './core/tokens/verify-token.js';

/** How long the fleet remembers that an opaque token was refused. */
const OPAQUE_REFUSAL_SECONDS = 60;

/** The gateway still waits for a log-in that has waited for so long and is then answered within the deadline. */
const ATTEMPT_WAIT_MS = 3_000;

const JWKS_REFRESH_SECONDS = 600;
const JWKS_FETCH_LIMIT = { fetches: 2, seconds: 30 };
const JWKS_GRANTED_FETCH_LIMIT = { fetches: 10, seconds: 30 };

export interface Surroundings {
  readonly config: UserTokenConfig;
  readonly store: SharedStore;
  readonly logger: Logger;
  /** Time of what the replicas share. Default: the store's. */
  readonly clock?: Clock | undefined;
}

/** The ports of the core. */
export interface Ports {
  readonly authorizationServer: AuthorizationServer;
  readonly tokenCheck: TokenCheck;
  readonly grantCheck: GrantCheck;
  readonly issuedAccessTokens: IssuedAccessTokens;
  readonly sessions: Sessions;
  readonly denials: Denials;
  readonly attempts: Attempts;
  readonly mfaHandles: MfaHandles;
}

export interface UseCases {
  readonly issuances: TokenIssuances;
  readonly verifyToken: VerifyToken;
  readonly logIn: LogIn;
  readonly refreshSession: RefreshSession;
  readonly logOut: LogOut;
  readonly revokeSubject: RevokeSubject;
  readonly userSessions: UserSessions;
  readonly issuedTokens: IssuedTokens;
}

export interface UserToken {
  readonly useCases: UseCases;
  readonly issuerKeys: IssuerKeys;
  readonly issuerChecks: IssuerChecks;
  /** What was wrong with the last token that was granted, for readiness. */
  readonly grantedTokens: () => CheckResult;
  /** Resolves once it is known what was revoked, or that it is not known. */
  readonly settled: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** What every room is built on. */
interface Ground extends Required<Surroundings> {
  readonly clock: Clock;
  readonly nowSeconds: () => number;
  readonly box: SealedBox;
}

type Given = Partial<Ports>;

/**
 * Composes user-token: an adapter behind each port, the use cases on top.
 *
 * @param given ports in place of adapters, which then do not exist and start nothing
 */
export function compose(surroundings: Surroundings, given: Given = {}): UserToken {
  const ground = groundOf(surroundings);
  const issuer = issuerOf(ground, given);
  const sessions = sessionsOf(ground, given);
  const checks = tokenChecksOf(ground, issuer, sessions.issuedAccessTokens, given);
  const { denials, settled, close } = denialsOf(ground, given);
  const ports = { ...sessions, ...checks, ...logInsOf(ground, given), denials };
  return {
    useCases: useCasesOf(ground, ports),
    issuerKeys: issuer.keys,
    issuerChecks: issuer.checks,
    grantedTokens: () => checks.grantCheck.state(),
    settled,
    close,
  };
}

function groundOf({ config, store, logger, clock = store }: Surroundings): Ground {
  const unopened = new LineLimit({ lines: 1, perMs: 600_000 });
  const box = new SealedBox(config.sessionSecrets, () => {
    const admitted = unopened.admit('');
    if (admitted)
      logger.warn(
        admitted,
        'what stands in Redis was sealed with none of SESSION_SECRETS, and its session is lost: list the former secrets after the first',
      );
  });
  return { config, store, logger, clock, nowSeconds: () => nowInSeconds(clock), box };
}

function issuerOf({ config, logger, clock, nowSeconds }: Ground, given: Given) {
  const { clockToleranceSeconds } = config;
  const upstream = {
    issuer: config.issuer,
    clientId: config.clientId,
    clientSecret: config.clientSecret,
    audience: config.audience[0]!,
    scope: config.scope,
    realm: config.realm,
    denialDescriptions: config.denialDescriptions,
    timeoutMs: config.upstreamTimeoutMs,
    fetch: issuerFetch(config.proxy),
  };
  const server = new OpenidAuthorizationServer(upstream, logger);
  const keys = new IssuerKeys({
    jwksUri: () => server.jwksUri(),
    timeoutMs: config.upstreamTimeoutMs,
    refreshAfterSeconds: JWKS_REFRESH_SECONDS,
    maxStaleSeconds: config.jwksMaxStaleSeconds,
    fetchLimit: JWKS_FETCH_LIMIT,
    grantedFetchLimit: JWKS_GRANTED_FETCH_LIMIT,
    clockToleranceSeconds,
    nowSeconds,
    fetch: upstream.fetch,
    log: logger,
  });
  const checks = new IssuerChecks(server, { ...upstream, clockToleranceSeconds, nowMs: () => clock.nowMs() });
  return { authorizationServer: given.authorizationServer ?? server, keys, checks };
}

function sessionsOf({ config, store, clock, box }: Ground, given: Given) {
  const options = {
    idleSeconds: config.sessionIdleSeconds,
    replayWindowSeconds: config.replayWindowSeconds,
    clientReplayWindowSeconds: config.clientReplayWindowSeconds,
    reuseDetectionSeconds: config.reuseDetectionSeconds,
    // Its holder may discover, ask and fetch keys, each within the deadline, and write.
    lockMs: 3 * config.upstreamTimeoutMs + 2_000,
    clock,
  };
  return {
    sessions: given.sessions ?? new StoreSessions(store, box, options),
    issuedAccessTokens: given.issuedAccessTokens ?? new StoreIssuedAccessTokens(store, box),
  };
}

function tokenChecksOf(
  { config, store, logger, clock, nowSeconds, box }: Ground,
  { authorizationServer, keys }: ReturnType<typeof issuerOf>,
  issuedAccessTokens: IssuedAccessTokens,
  given: Given,
) {
  const { issuer, audience, clockToleranceSeconds } = config;
  const claims = new PrincipalClaims(config.principalClaims, logger);
  const firstSights = new FirstSights(store, box, {
    maxTokenLifetimeSeconds: MAX_TOKEN_LIFETIME_SECONDS,
    firstSightsSinceSeconds: (generation) => firstSightsSinceSeconds(generation, store.serverId),
  });
  const jwtOptions = {
    issuer,
    audience,
    clockToleranceSeconds,
    maxLifetimeSeconds: MAX_TOKEN_LIFETIME_SECONDS,
    nowSeconds,
  };
  const userinfoOptions = { issuer, nowSeconds, recheckSeconds: config.opaqueRecheckSeconds };
  const userinfo = new UserinfoTokenCheck(authorizationServer, userinfoOptions, claims);
  const opaque = (unknown: TokenCheck) =>
    new FleetTokenCheck(userinfo, unknown, store, box, firstSights, {
      refusalSeconds: OPAQUE_REFUSAL_SECONDS,
      askMs: 2 * config.upstreamTimeoutMs + 1_000,
    });
  const issued = new IssuedTokenCheck(issuedAccessTokens, clock);
  const ofAnyBearer = () =>
    new TokenCheckByForm(
      new JwksTokenCheck(jwtOptions, keys.find, claims),
      opaque(new CountedTokenCheck(userinfo, store, config.opaqueUnknownPerMinute)),
      issued,
    );
  // Tokens of strangers use nothing up that the tokens of log-ins and refreshes need.
  const ofGrants = () =>
    new TokenCheckByForm(
      new JwksTokenCheck(jwtOptions, keys.findForGranted, claims),
      opaque(userinfo),
      issued,
      'check',
    );
  return {
    authorizationServer: new DatedGrants(authorizationServer, firstSights, nowSeconds),
    tokenCheck: given.tokenCheck ?? ofAnyBearer(),
    grantCheck: new GrantedTokenCheck(given.grantCheck ?? ofGrants(), logger),
  };
}

function denialsOf({ config, store, logger }: Ground, given: Given) {
  const nothing = () => Promise.resolve();
  if (given.denials) return { denials: given.denials, settled: nothing, close: nothing };
  const options = {
    whenUnknown: config.denialsUnknown,
    whenAgeUnknown: config.opaqueUnknownAge,
    maxLocal: roomForDenials(),
    clockToleranceSeconds: config.clockToleranceSeconds,
    subjectDenialSeconds: Math.max(MAX_TOKEN_LIFETIME_SECONDS, config.sessionIdleSeconds),
  };
  const denials = new StoreDenials(store, options, logger);
  return { denials, settled: () => denials.settled, close: () => denials.close() };
}

function logInsOf({ config, store }: Ground, given: Given) {
  const attemptTimes = {
    // An attempt may discover and ask, each within the deadline.
    leaseMs: 2 * config.upstreamTimeoutMs + 5_000,
    waitMs: ATTEMPT_WAIT_MS,
  };
  return {
    attempts: given.attempts ?? new StoreAttempts(store, config.attemptLimits, attemptTimes),
    mfaHandles: given.mfaHandles ?? new SealedMfaHandles(new SealedBox(config.sessionSecrets)),
  };
}

function useCasesOf({ config, logger, clock }: Ground, ports: Ports): UseCases {
  const { authorizationServer, tokenCheck, grantCheck, issuedAccessTokens } = ports;
  const { sessions, denials, attempts, mfaHandles } = ports;
  const lifetimes = {
    idleSeconds: config.sessionIdleSeconds,
    absoluteSeconds: config.sessionAbsoluteSeconds,
  };
  const times = {
    ...lifetimes,
    waitMs: config.upstreamTimeoutMs,
    expiredLimitSeconds: config.refreshExpiredLimitSeconds,
    clock,
  };
  const refusals = new RefusalLog(logger);
  const verifyToken = new VerifyToken(tokenCheck, denials, refusals);
  const access = new SessionAccess(verifyToken, sessions, config);
  const logOut = new LogOut(authorizationServer, tokenCheck, denials, sessions, refusals, times);
  return {
    issuances: new TokenIssuances(lifetimes, clock),
    verifyToken,
    logIn: new LogIn(
      authorizationServer,
      grantCheck,
      denials,
      sessions,
      logOut,
      attempts,
      mfaHandles,
      times,
      logger,
    ),
    refreshSession: new RefreshSession(
      authorizationServer,
      grantCheck,
      denials,
      sessions,
      logOut,
      times,
      logger,
    ),
    logOut,
    revokeSubject: new RevokeSubject(access, denials, logOut),
    userSessions: new UserSessions(access, denials, sessions, logOut, lifetimes, clock),
    issuedTokens: new IssuedTokens(issuedAccessTokens, sessions, denials, logOut, lifetimes, clock),
  };
}

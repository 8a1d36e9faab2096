import {
  Inject,
  Injectable,
  ForbiddenException,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import {
  isCanonicalToken,
  MAX_REQUEST_ID_LENGTH,
  type Principal,
  type RefusalLog,
  type Verdict,
} from '@app/contract';
import { UserTokenUnavailable } from '@app/user-token-client';
import { credentialsOf, tokenIn, tokenKey } from '../cache/cache-keys.js';
import { decideAccess } from '../tokens/access-decision.js';
import { AUTH_OPTIONS, type ResolvedAuthOptions } from '../auth.options.js';
import { plainCredentials, readBearerCredentials, type UnusableCredentials } from './bearer-credentials.js';
import { BearerRefusals, VerdictUnavailable, type BearerRefusal } from './bearer-refusal.js';
import { STRATEGY_NAME, VerifiedContext } from './bearer.strategy.js';
import { Clock } from '../tokens/clock.js';
import { PrincipalResolver } from '../tokens/principal-resolver.js';
import { RESPONSE, ROUTE, type AdmittedRequest, type GuardedRoute } from './revoked.js';
import { RouteRequirements } from '../routes/route-requirements.js';

interface GuardedRequest extends AdmittedRequest {
  readonly id?: unknown;
  user?: Principal;
}

/**
 * Nest's passport guard, which receives a verdict and decides nothing. It is not a provider, so that it does not get the options
 * that an application has registered for its own strategies.
 */
class PassportGuard extends AuthGuard(STRATEGY_NAME) {
  /** Called by passport's middle part with what {@link BearerStrategy} made of the verdict. */
  override handleRequest<User>(error: unknown, user: User | false): User {
    if (error instanceof Error) throw error;
    // Nest's guard expects a user; leaving it out means that there is none.
    return (error || !user ? undefined : user) as User;
  }
}

/**
 * Lets a request pass whose bearer token is active, meant for this service, and carries what the route's `@Scopes()` and
 * `@Permissions()` ask; puts the {@link Principal} on `request.user`. Works on Fastify and on Express.
 *
 * Everything else is refused as RFC 6750 section 3 says: 400, 401 or 403 with `WWW-Authenticate`. When no verdict can be
 * reached the answer is 503 with `Retry-After`, never a 401. Anything but HTTP is denied.
 */
@Injectable()
export class BearerGuard implements CanActivate {
  private readonly passport = new PassportGuard();
  private readonly authenticated = new WeakMap<Verdict, Promise<Principal | undefined>>();
  private readonly refusals: BearerRefusals;
  private readonly refusalLog: RefusalLog;

  constructor(
    private readonly resolver: PrincipalResolver,
    private readonly routes: RouteRequirements,
    private readonly adapterHost: HttpAdapterHost,
    private readonly clock: Clock,
    @Inject(AUTH_OPTIONS) { realm, refusalLog }: ResolvedAuthOptions,
  ) {
    this.refusals = new BearerRefusals(realm);
    this.refusalLog = refusalLog;
  }

  // Not async: a principal that this process knows is let in without a promise (see docs/architecture.md).
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    if (context.getType() !== 'http') throw new ForbiddenException();
    const requirement = this.routes.of(context.getClass(), context.getHandler());
    if (requirement === 'public') return true;

    // Not switchToHttp(), which makes three closures.
    const request = context.getArgByIndex<GuardedRequest>(0);
    const nowSeconds = this.clock.nowSeconds();
    const plain = plainCredentials(request);
    const known = plain && this.resolver.known(plain, nowSeconds);
    if (known) return this.admit(context, request, known, requirement, nowSeconds);
    const token = plain && tokenIn(plain);
    const key = token && tokenKey(token);
    const refusedFor = key && this.resolver.refusedLately(key);
    if (refusedFor) return refuse(this.invalidToken(context, request, refusedFor, undefined));
    return this.findOut(context, request, token, key, requirement, nowSeconds);
  }

  /** For an unknown token, or one that is not in the plain spelling: then `plain`, if there is any, is no token. */
  private findOut(
    context: ExecutionContext,
    request: GuardedRequest,
    plain: string | undefined,
    key: string | undefined,
    requirement: GuardedRoute,
    nowSeconds: number,
  ): boolean | Promise<boolean> {
    if (key !== undefined && plain !== undefined && isCanonicalToken(plain))
      return this.resolveAndAdmit(context, request, key, plain, requirement);
    const credentials = readBearerCredentials(request);
    if (credentials.kind !== 'token') return refuse(this.refusalOf(context, request, credentials));
    const { token } = credentials;
    const known = this.resolver.known(credentialsOf(token), nowSeconds);
    if (known) return this.admit(context, request, known, requirement, nowSeconds);
    return this.resolveAndAdmit(context, request, tokenKey(token), token, requirement);
  }

  private refusalOf(
    context: ExecutionContext,
    request: GuardedRequest,
    credentials: UnusableCredentials,
  ): BearerRefusal {
    switch (credentials.kind) {
      case 'none':
        return this.refusal(context, this.refusals.tokenMissing());
      case 'invalid_token':
        return this.invalidToken(context, request, 'malformed', undefined);
      case 'invalid_request':
        this.tell(request, 'invalid_request', undefined, credentials.description);
        return this.refusal(context, this.refusals.invalidRequest(credentials.description));
    }
  }

  private async resolveAndAdmit(
    context: ExecutionContext,
    request: GuardedRequest,
    key: string,
    token: string,
    requirement: GuardedRoute,
  ): Promise<boolean> {
    const verdict = await this.reachVerdict(context, request, key, token);
    const principal = await this.authenticate(token, verdict);
    if (!principal)
      throw this.invalidToken(context, request, verdict.active ? 'invalid' : verdict.reason, token);
    return this.admit(context, request, principal, requirement, this.clock.nowSeconds());
  }

  /** Once for all requests that have waited for the same verdict. */
  private authenticate(token: string, verdict: Verdict): Promise<Principal | undefined> {
    const known = this.authenticated.get(verdict);
    if (known) return known;
    const principal = this.askPassport(token, verdict);
    this.authenticated.set(verdict, principal);
    return principal;
  }

  private async askPassport(token: string, verdict: Verdict): Promise<Principal | undefined> {
    const verified = new VerifiedContext(token, verdict);
    await this.passport.canActivate(verified as unknown as ExecutionContext);
    return verified.request.user;
  }

  private async reachVerdict(
    context: ExecutionContext,
    request: GuardedRequest,
    key: string,
    token: string,
  ): Promise<Verdict> {
    try {
      return await this.resolver.resolve(key, token, requestIdOf(request));
    } catch (error) {
      if (!(error instanceof UserTokenUnavailable)) throw error;
      this.setHeader(context, 'Retry-After', String(error.retryAfterSeconds));
      throw new VerdictUnavailable(error.retryAfterSeconds, error);
    }
  }

  private admit(
    context: ExecutionContext,
    request: GuardedRequest,
    principal: Principal,
    requirement: GuardedRoute,
    nowSeconds: number,
  ): true {
    const decision = decideAccess(principal, requirement, nowSeconds);
    if (decision.allowed) {
      request.user = principal;
      request[ROUTE] = requirement;
      request[RESPONSE] = context.getArgByIndex(1);
      return true;
    }
    delete request.user;
    if (decision.error === 'invalid_token') {
      const reason = nowSeconds < principal.expiresAtSeconds ? 'wrong_audience' : 'expired';
      throw this.invalidToken(context, request, reason, principal);
    }
    this.tell(request, decision.error, principal, `it takes ${decision.needed.join(' ')}`);
    throw this.refusal(context, this.refusals.insufficientScope(decision.needed));
  }

  /** The reason goes to the log only. */
  private invalidToken(
    context: ExecutionContext,
    request: GuardedRequest,
    reason: string,
    token: string | Principal | undefined,
  ): BearerRefusal {
    this.tell(request, reason, token);
    return this.refusal(context, this.refusals.tokenInvalid());
  }

  private tell(
    request: GuardedRequest,
    reason: string,
    token: string | Principal | undefined,
    detail?: string,
  ): void {
    this.refusalLog.refused(reason, token, { requestId: requestIdOf(request), detail });
  }

  private refusal(context: ExecutionContext, refusal: BearerRefusal): BearerRefusal {
    this.setHeader(context, 'WWW-Authenticate', refusal.challenge);
    return refusal;
  }

  private setHeader(context: ExecutionContext, name: string, value: string): void {
    this.adapterHost.httpAdapter.setHeader(context.switchToHttp().getResponse(), name, value);
  }
}

/** A throw inside the guard, where V8 has inlined much and has to work out the place, takes longer than all the rest. */
function refuse(refusal: BearerRefusal): Promise<never> {
  return Promise.reject(refusal);
}

/** An application may number its requests freely; ids that user-token would not accept are left out. */
function requestIdOf({ id }: GuardedRequest): string | undefined {
  return typeof id === 'string' && id.length <= MAX_REQUEST_ID_LENGTH ? id : undefined;
}

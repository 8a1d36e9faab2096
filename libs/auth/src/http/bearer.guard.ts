import { ForbiddenException, Inject, Injectable, type ExecutionContext } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import {
  isCanonicalToken,
  principalKey,
  type CanonicalToken,
  type Principal,
  type Verdict,
} from '@app/contract';
import { UserTokenUnavailable } from '@app/user-token-client';
import { AUTH_OPTIONS, type ResolvedAuthOptions } from '../auth.options.js';
import { tokenIn } from '../cache/cache-keys.js';
import { RouteGuard } from '../routes/route-guard.js';
import { RouteRequirements, type RouteRequirement } from '../routes/route-requirements.js';
import { decideAccess } from '../tokens/access-decision.js';
import { Clock } from '../tokens/clock.js';
import { PrincipalResolver } from '../tokens/principal-resolver.js';
import { invalidToken } from '../tokens/refusal.js';
import { faultOf, readCredentials } from './bearer-token.js';
import { HttpAnswers, requestIdOf } from './http-answers.js';
import { PassportAuthentication } from './passport-authentication.js';
import { RESPONSE, ROUTE, type AdmittedRequest } from './revoked.js';

interface GuardedRequest extends AdmittedRequest {
  user?: Principal;
}

/**
 * Lets a request pass whose bearer token is active, meant for this service, and carries what the route's `@Scopes()` and
 * `@Permissions()` ask; puts the {@link Principal} on `request.user`. Works on Fastify and on Express.
 *
 * Everything else is refused as RFC 6750 section 3 says: 400, 401 or 403 with `WWW-Authenticate`. When no verdict can be
 * reached the answer is 503 with `Retry-After`, never a 401. Anything but HTTP is denied.
 */
@Injectable()
export class BearerGuard extends RouteGuard {
  private readonly passport = new PassportAuthentication();
  private readonly answers: HttpAnswers;

  constructor(
    private readonly resolver: PrincipalResolver,
    private readonly routes: RouteRequirements,
    adapterHost: HttpAdapterHost,
    private readonly clock: Clock,
    @Inject(AUTH_OPTIONS) { realm, refusalLog }: ResolvedAuthOptions,
  ) {
    super();
    this.answers = new HttpAnswers(adapterHost, realm, refusalLog);
  }

  // Not async: a principal that this process knows is let in without a promise (see docs/architecture.md).
  override canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    if (context.getType() !== 'http') throw new ForbiddenException();
    const route = this.routes.of(context.getClass(), context.getHandler());
    if (route === 'public') return true;

    // Not switchToHttp(), which makes three closures.
    const credentials = readCredentials(context.getArgByIndex<GuardedRequest>(0));
    if (typeof credentials !== 'string') return this.answers.refuse(context, credentials);
    const nowSeconds = this.clock.nowSeconds();
    const known = this.resolver.known(credentials, nowSeconds);
    return known
      ? this.decide(context, route, known, nowSeconds)
      : this.findOut(context, route, tokenIn(credentials));
  }

  /** @param token in any spelling, or no token at all */
  private findOut(context: ExecutionContext, route: RouteRequirement, token: string): Promise<boolean> {
    if (!isCanonicalToken(token)) return this.answers.refuse(context, faultOf(token));
    const key = principalKey(token);
    const refusedFor = this.resolver.refusedLately(key);
    if (refusedFor) return this.answers.refuse(context, invalidToken(refusedFor));
    return this.resolve(context, route, key, token);
  }

  private async resolve(
    context: ExecutionContext,
    route: RouteRequirement,
    key: string,
    token: CanonicalToken,
  ): Promise<boolean> {
    const verdict = await this.reachVerdict(context, key, token);
    const principal = await this.passport.authenticate(token, verdict);
    if (principal) return this.decide(context, route, principal, this.clock.nowSeconds());
    return this.answers.refuse(context, invalidToken(verdict.active ? 'invalid' : verdict.reason), token);
  }

  private async reachVerdict(
    context: ExecutionContext,
    key: string,
    token: CanonicalToken,
  ): Promise<Verdict> {
    try {
      return await this.resolver.resolve(key, token, requestIdOf(context));
    } catch (error) {
      throw error instanceof UserTokenUnavailable ? this.answers.unavailable(context, error) : error;
    }
  }

  private decide(
    context: ExecutionContext,
    route: RouteRequirement,
    principal: Principal,
    nowSeconds: number,
  ): true | Promise<never> {
    const request = context.getArgByIndex<GuardedRequest>(0);
    const decision = decideAccess(principal, route, nowSeconds);
    if (!decision.allowed) {
      delete request.user;
      return this.answers.refuse(context, decision, principal);
    }
    request.user = principal;
    request[ROUTE] = route;
    request[RESPONSE] = context.getArgByIndex(1);
    return true;
  }
}

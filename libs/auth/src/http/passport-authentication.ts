import type { ExecutionContext } from '@nestjs/common';
import { AuthGuard, PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-http-bearer';
import type { Principal, Verdict } from '@app/contract';
import { credentialsOf } from '../cache/cache-keys.js';

/** Not `bearer`: passport keeps strategies by name in one global table, where a service's own strategy may have that name. */
const STRATEGY_NAME = 'app-bearer';

/** All of passport: lets it authenticate a token whose verdict is known (ADR 5). */
export class PassportAuthentication {
  private readonly guard = new PassportGuard();
  private readonly authenticated = new WeakMap<Verdict, Promise<Principal | undefined>>();

  constructor() {
    // It registers itself in passport's table.
    new BearerStrategy();
  }

  /**
   * Once for all requests that have waited for the same verdict.
   *
   * @returns undefined where passport finds no user
   */
  authenticate(token: string, verdict: Verdict): Promise<Principal | undefined> {
    const known = this.authenticated.get(verdict);
    if (known) return known;
    const principal = this.askPassport(token, verdict);
    this.authenticated.set(verdict, principal);
    return principal;
  }

  private async askPassport(token: string, verdict: Verdict): Promise<Principal | undefined> {
    const verified = new VerifiedContext(token, verdict);
    await this.guard.canActivate(verified as unknown as ExecutionContext);
    return verified.request.user;
  }
}

/**
 * The object that passport sees in place of the request: the token that the guard has read, and its verdict.
 *
 * passport-http-bearer would also take tokens from query and body. And passport attaches functions and closures to the object it
 * gets. On requests that wait for a verdict, V8 learns to allocate these in its old generation, and continues to do so
 * for requests that do not wait: this costs a third of the throughput of in-process hits (ADR 5).
 */
class VerifiedRequest {
  readonly headers: { readonly authorization: string };
  user?: Principal;

  constructor(
    token: string,
    readonly verdict: Verdict,
  ) {
    this.headers = { authorization: credentialsOf(token) };
  }
}

/** The part of an execution context that Nest's passport guard asks for. */
class VerifiedContext {
  readonly request: VerifiedRequest;

  constructor(token: string, verdict: Verdict) {
    this.request = new VerifiedRequest(token, verdict);
  }

  switchToHttp(): Pick<ReturnType<ExecutionContext['switchToHttp']>, 'getRequest' | 'getResponse'> {
    return { getRequest: <T>() => this.request as T, getResponse: <T>() => ({}) as T };
  }
}

/**
 * Turns an existing verdict into success or failure, without waiting (an asynchronous `validate` costs half of the throughput).
 * It keeps no state, because passport shares one instance among all applications of a process.
 */
class BearerStrategy extends PassportStrategy(Strategy, STRATEGY_NAME) {
  constructor() {
    super({ realm: 'api', passReqToCallback: true, scope: undefined });
  }

  validate(request: unknown): Principal | false {
    if (!(request instanceof VerifiedRequest)) return false;
    return request.verdict.active ? request.verdict.principal : false;
  }
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

import { Injectable, type ExecutionContext } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { Strategy } from 'passport-http-bearer';
import type { Principal, Verdict } from '@app/contract';

/** Not `bearer`: passport keeps strategies by name in one global table, where a service's own strategy may have that name. */
export const STRATEGY_NAME = 'app-bearer';

/**
 * The object that passport sees in place of the request: the token that the guard has read, and its verdict.
 *
 * passport-http-bearer would also take tokens from query and body. And passport attaches functions and closures to the object it
 * gets. On requests that wait for a verdict, V8 learns to allocate these in its old generation, and continues to do so
 * for requests that do not wait: this costs a third of the throughput of in-process hits (docs/adr/0005).
 */
class VerifiedRequest {
  readonly headers: { readonly authorization: string };
  user?: Principal;

  constructor(
    token: string,
    readonly verdict: Verdict,
  ) {
    this.headers = { authorization: `Bearer ${token}` };
  }
}

/** A request whose verdict is known, in the form of what Nest's passport guard asks of an execution context. */
export class VerifiedContext {
  readonly request: VerifiedRequest;

  constructor(token: string, verdict: Verdict) {
    this.request = new VerifiedRequest(token, verdict);
  }

  switchToHttp(): Pick<ReturnType<ExecutionContext['switchToHttp']>, 'getRequest' | 'getResponse'> {
    return { getRequest: <T>() => this.request as T, getResponse: <T>() => ({}) as T };
  }
}

/**
 * Passport's part: turns an existing verdict into success or failure, without waiting (an
 * asynchronous `validate` costs half of the throughput). It keeps no state, because passport shares one instance among all
 * applications of a process.
 */
@Injectable()
export class BearerStrategy extends PassportStrategy(Strategy, STRATEGY_NAME) {
  constructor() {
    super({ realm: 'api', passReqToCallback: true, scope: undefined });
  }

  validate(request: unknown): Principal | false {
    if (!(request instanceof VerifiedRequest)) return false;
    return request.verdict.active ? request.verdict.principal : false;
  }
}

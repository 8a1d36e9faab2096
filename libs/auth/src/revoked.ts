import type { AccessRequirement } from './access-decision.js';
import type { BearerRequest } from './bearer-credentials.js';
import type { RawResponse, RevocationWatch } from './revocation-watch.js';

/** Where the guard leaves what it takes to go on judging a request: two references to what there is anyway. */
export const ROUTE = Symbol('guarded route');
export const RESPONSE = Symbol('response');

/** What a route asks, and who goes on judging its requests. */
export interface GuardedRoute extends AccessRequirement {
  readonly watch: RevocationWatch;
}

/** A request that the guard has let in. */
export interface AdmittedRequest extends BearerRequest {
  [ROUTE]?: GuardedRoute;
  /** Express's, which is Node's, or Fastify's reply. */
  [RESPONSE]?: RawResponse | { readonly raw: RawResponse };
}

/**
 * A signal for what goes on after a request was let in, such as server-sent events or a long download. It is aborted once the request
 * would no longer be let in: its token was revoked, or has expired.
 *
 * While revocations are heard of, it is aborted as soon as one is; otherwise, as without a store, the token is asked about every 5
 * seconds. It is aborted as well when nobody has been able to tell for 5 seconds, and when the application stops. `reason` is what a
 * new request would be answered with: a `BearerRefusal` or a `VerdictUnavailable`. Once the response is over nothing is watched any
 * more; that does not abort the signal.
 *
 * @param request Express's or Fastify's, as `@Req()` gives it
 * @throws {TypeError} for a request that BearerGuard has not let in, such as one of a `@Public()` route
 * @example await pipeline(file, response, { signal: revoked(request) });
 */
export function revoked(request: object): AbortSignal {
  const { [ROUTE]: route, [RESPONSE]: response } = request as AdmittedRequest;
  if (!route || !response) throw new TypeError('revoked() is for requests that BearerGuard has let in');
  return route.watch.signalOf(request as AdmittedRequest, 'raw' in response ? response.raw : response, route);
}

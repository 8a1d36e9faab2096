import type { AccessRequirement } from '../tokens/access-decision.js';
import type { BearerRequest } from './bearer-credentials.js';
import type { RawResponse, RevocationWatch } from './revocation-watch.js';

/** The guard leaves here what later judgements of a request need: two references to existing objects. */
export const ROUTE = Symbol('guarded route');
export const RESPONSE = Symbol('response');

/** The requirements of a route, and the watch that judges its requests again. */
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
 * While the revocation feed is live, a revocation aborts it at once; otherwise, and without a store, it asks about the token every 5
 * seconds. It is also aborted after 5 seconds without a verdict, and when the application stops. `reason` is the answer that a new
 * request would get: a `BearerRefusal` or a `VerdictUnavailable`. The watch ends with the response; that does not abort the
 * signal.
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

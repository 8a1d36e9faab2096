import type { RouteRequirement } from '../routes/route-requirements.js';
import type { Objection } from '../tokens/revocation-watch.js';
import { bearerRefusal, VerdictUnavailable, type BearerRefusal } from './bearer-refusal.js';
import { readBearerToken, type BearerRequest } from './bearer-token.js';

/** The guard leaves here what later judgements of a request need: two references to existing objects. */
export const ROUTE = Symbol('guarded route');
export const RESPONSE = Symbol('response');

/** A request that the guard has let in. */
export interface AdmittedRequest extends BearerRequest {
  [ROUTE]?: RouteRequirement;
  /** Express's, which is Node's, or Fastify's reply. */
  [RESPONSE]?: RawResponse | { readonly raw: RawResponse };
}

/** The part of Node's response that is read. */
interface RawResponse {
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  once(event: 'close' | 'finish', listener: () => void): unknown;
}

const signals = new WeakMap<object, AbortSignal>();

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
 * @returns the same signal for each call with the same request
 * @throws {TypeError} for a request that BearerGuard has not let in, such as one of a `@Public()` route
 * @example await pipeline(file, response, { signal: revoked(request) });
 */
export function revoked(request: object): AbortSignal {
  const admitted: AdmittedRequest = request as AdmittedRequest;
  const { [ROUTE]: route, [RESPONSE]: response } = admitted;
  if (!route || !response) throw new TypeError('revoked() is for requests that BearerGuard has let in');
  const known = signals.get(request);
  if (known) return known;
  const signal = watch(admitted, 'raw' in response ? response.raw : response, route);
  signals.set(request, signal);
  return signal;
}

function watch(request: BearerRequest, response: RawResponse, route: RouteRequirement): AbortSignal {
  const token = readBearerToken(request);
  if (response.destroyed || response.writableFinished || typeof token !== 'string')
    return AbortSignal.abort(new VerdictUnavailable(1, 'the request is over'));
  const controller = new AbortController();
  const end = route.watch.watch(token, route, (objection) =>
    controller.abort(exceptionOf(objection, route.realm)),
  );
  response.once('close', end);
  // A response that is not sent by a Node server is never closed.
  response.once('finish', end);
  return controller.signal;
}

function exceptionOf(objection: Objection, realm: string): BearerRefusal | VerdictUnavailable {
  return objection.error === 'temporarily_unavailable'
    ? new VerdictUnavailable(objection.retryAfterSeconds, objection.cause)
    : bearerRefusal(objection, realm);
}

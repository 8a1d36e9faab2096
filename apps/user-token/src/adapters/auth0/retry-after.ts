// RFC 9110 section 10.2.3 and Auth0's rate limit headers: when a server wants to be asked again.
import { httpDateMs } from './http-date.js';

const MAX_RETRY_AFTER_SECONDS = 300;
/** Below, `x-ratelimit-reset` counts seconds from now, as other servers mean it; Auth0's is Unix time. */
const UNIX_TIME_FROM = 1_000_000_000;
const NUMBER = /^\d+(?:\.\d+)?$/;

/**
 * From `Retry-After`, in seconds or as a date, or else, where a limit was passed, from `x-ratelimit-reset`. A date counts from the
 * server's own `Date`, for its clock need not be ours.
 *
 * @returns whole seconds from 1 to 300; undefined where the answer does not say, or says what makes no sense
 */
export function retryAfterSeconds({ status, headers }: Response, nowMs = Date.now()): number | undefined {
  const serverNowMs = httpDateMs(headers.get('date')) ?? nowMs;
  const told = headers.get('retry-after')?.trim() ?? '';
  const seconds = NUMBER.test(told) ? Number(told) : secondsUntil(httpDateMs(told), serverNowMs);
  if (seconds !== undefined) return bounded(seconds);
  const reset = headers.get('x-ratelimit-reset')?.trim() ?? '';
  if (status !== 429 || !NUMBER.test(reset)) return undefined;
  return bounded(
    Number(reset) < UNIX_TIME_FROM ? Number(reset) : secondsUntil(Number(reset) * 1000, serverNowMs),
  );
}

function secondsUntil(ms: number | undefined, nowMs: number): number | undefined {
  return ms === undefined ? undefined : (ms - nowMs) / 1000;
}

function bounded(seconds: number | undefined): number | undefined {
  return seconds === undefined
    ? undefined
    : Math.min(Math.max(1, Math.ceil(seconds)), MAX_RETRY_AFTER_SECONDS);
}

// RFC 9110 section 10.2.3 and Auth0's rate limit headers: how long to wait before the next request.
import { httpDateMs } from './http-date.js';

const MAX_RETRY_AFTER_SECONDS = 300;
/** Auth0's `x-ratelimit-reset` is Unix time. A smaller number means seconds from now, as at other servers. */
const UNIX_TIME_FROM = 1_000_000_000;
const NUMBER = /^\d+(?:\.\d+)?$/;

/**
 * Reads `Retry-After`, in seconds or as a date; without it, and with status 429, `x-ratelimit-reset`. A date counts from the server's
 * own `Date`, because its clock may differ from ours.
 *
 * @returns whole seconds from 1 to 300; undefined without a valid header
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

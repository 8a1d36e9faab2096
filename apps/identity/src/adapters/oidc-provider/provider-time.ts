/** oidc-provider takes no clock: it reads the process's. Times that it writes or reads are translated here. */
import type { Clock } from '../../core/clock.js';

/** Whole seconds by which the clock is ahead of the process's. */
export function aheadSeconds(clock: Clock): number {
  return Math.round((clock.nowMs() - Date.now()) / 1000);
}

/** What oidc-provider made, in the clock's time. */
export function toClockTime<T extends object>(payload: T, clock: Clock): T {
  return shifted(payload, aheadSeconds(clock));
}

/** What was kept in the clock's time, for oidc-provider. */
export function toProviderTime<T extends object>(payload: T, clock: Clock): T {
  return shifted(payload, -aheadSeconds(clock));
}

/** `iiat` of a refresh token is the `iat` of the first one. */
const times = ['iat', 'exp', 'iiat'];

function shifted<T extends object>(payload: T, seconds: number): T {
  if (seconds === 0) return payload;
  const moved = Object.entries(payload).map(([name, value]: [string, unknown]) =>
    times.includes(name) && typeof value === 'number' ? [name, value + seconds] : [name, value],
  );
  return Object.fromEntries(moved) as T;
}

/**
 * One clock for all that processes share, such as a replay window. The clocks of the processes may differ.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
}

export function nowInSeconds(clock: Clock): number {
  return clock.nowMs() / 1000;
}

/**
 * The time of whatever processes share, such as how long an answer may be given again: one clock for all of them, however far apart
 * their own are.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
}

export function nowInSeconds(clock: Clock): number {
  return clock.nowMs() / 1000;
}

/** The time that tokens, sessions and leeways run by. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
}

export const systemClock: Clock = { nowMs: () => Date.now() };

export function nowInSeconds(clock: Clock): number {
  return clock.nowMs() / 1000;
}

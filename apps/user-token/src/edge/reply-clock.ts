/** The time that replies carry, by which services measure how far their own clocks are off. */
export abstract class ReplyClock {
  /** Milliseconds since the epoch. */
  abstract nowMs(): number;
}

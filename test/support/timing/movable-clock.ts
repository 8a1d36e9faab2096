/** The process's clock, and what the spec adds to it. */
export class MovableClock {
  #aheadMs = 0;

  nowMs(): number {
    return Date.now() + this.#aheadMs;
  }

  /** @param seconds negative to go back */
  moveSeconds(seconds: number): void {
    this.#aheadMs += seconds * 1_000;
  }
}

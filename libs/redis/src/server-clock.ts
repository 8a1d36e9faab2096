/** A look at the server's clock. */
interface Sample {
  /** When it was answered half-way (performance.now()), and what the server's clock said. */
  readonly atMs: number;
  readonly serverMs: number;
  readonly roundTripMs: number;
}

/** A slow answer says little about the clock; an old one nothing about a clock that was set since. */
const MAX_AGE_MS = 5_000;

/**
 * The clock of the store's server, as far as its answers tell: the one clock that all processes share. It goes on by this
 * process's monotonic time, so that setting this machine's clock does not move it. Until the first answer it is our own clock.
 */
export class ServerClock {
  private sample: Sample | undefined;

  /** @param sentAtMs performance.now() @param serverMs Unix time in milliseconds, as answered */
  learn(sentAtMs: number, serverMs: number): void {
    const nowMs = performance.now();
    const roundTripMs = nowMs - sentAtMs;
    const { sample } = this;
    if (sample && roundTripMs > sample.roundTripMs && nowMs - sample.atMs < MAX_AGE_MS) return;
    this.sample = { atMs: sentAtMs + roundTripMs / 2, serverMs, roundTripMs };
  }

  /** Unix time in milliseconds. */
  nowMs(): number {
    return this.sample ? this.sample.serverMs + performance.now() - this.sample.atMs : Date.now();
  }
}

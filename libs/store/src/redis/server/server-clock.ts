/** A reading of the server's clock. */
interface Sample {
  /** The middle of the round trip (performance.now()), and the time of the server's clock. */
  readonly atMs: number;
  readonly serverMs: number;
  readonly roundTripMs: number;
}

/** A slow answer is inexact; an old one says nothing about a clock that was set since. */
const MAX_AGE_MS = 5_000;

/**
 * The clock of the store's server, measured by its answers: the one clock that all processes share. It advances with this
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

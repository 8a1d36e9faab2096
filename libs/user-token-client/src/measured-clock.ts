/** The time that another process reported, and when, on the monotonic clock of this process. */
export interface ClockReading {
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
  readonly theirsMs: number;
}

export interface OwnClocks {
  /** Wall clock, in ms since the epoch; may jump. Default `Date.now`. */
  readonly wallMs: () => number;
  /** Never jumps. Default `performance.now`. */
  readonly monotonicMs: () => number;
}

/** Bounds of the lead of their clock over our monotonic one. */
interface Offset {
  readonly leastMs: number;
  readonly mostMs: number;
}

const READINGS = 8;
/** Clocks drift apart between two readings, and wall clocks are slewed. */
const DRIFT_MS = 10;
const WHOLE_MS = 1;
/** A measurement this exact needs no help from our own clock. */
const EXACT_MS = 10;

/**
 * The time of user-token's clock, as far as it is known here. Each reply carries a time between its question and its own arrival. Of
 * the last readings of a process, the one with the shortest round trip counts, so that a slow reply changes nothing. A reading
 * that contradicts it means that a clock was set, and then counts alone.
 *
 * Jumps of our own wall clock change nothing after the first reading. While this machine is suspended the monotonic clock may
 * stand still: until the next reply the time lags behind by as much.
 */
export class MeasuredClock {
  private readonly readings = new Map<unknown, Offset[]>();
  private agreed: Offset | undefined;
  private exactOffsetMs: number | undefined;

  constructor(
    private readonly own: OwnClocks = { wallMs: () => Date.now(), monotonicMs: () => performance.now() },
  ) {}

  /** Milliseconds since the epoch: theirs, or our own while the measurement leaves open whether they differ. */
  nowMs(): number {
    // A guard calls this for each request: it reads one clock, not three.
    if (this.exactOffsetMs !== undefined) return this.exactOffsetMs + this.own.monotonicMs();
    return this.own.wallMs() + (this.skewMs ?? 0);
  }

  /** Whole seconds since the epoch, as `exp` and `nbf` count. */
  nowSeconds(): number {
    return Math.floor(this.nowMs() / 1_000);
  }

  /**
   * How far user-token's clock is ahead of ours (negative: behind): 0 while a difference is not certain, and undefined before
   * the first measurement. Where replicas disagree, the middle one counts; of two, the one ahead, because tokens then expire sooner.
   */
  get skewMs(): number | undefined {
    if (!this.agreed) return undefined;
    const skewMs = middle(this.agreed) + this.own.monotonicMs() - this.own.wallMs();
    return Math.abs(skewMs) > uncertaintyMs(this.agreed) ? skewMs : 0;
  }

  /** Possible error of {@link skewMs}: half of the round trip. */
  get uncertaintyMs(): number | undefined {
    return this.agreed && uncertaintyMs(this.agreed);
  }

  /** @param source whose clock it is; values that are no time are ignored */
  read(source: unknown, { sentAtMs, receivedAtMs, theirsMs }: ClockReading): void {
    if (!Number.isFinite(theirsMs) || !(receivedAtMs >= sentAtMs)) return;
    const offset = { leastMs: theirsMs - receivedAtMs, mostMs: theirsMs + WHOLE_MS - sentAtMs };
    const former = this.readings.get(source) ?? [];
    const best = former.length > 0 ? narrowest(former) : offset;
    const contradicts = offset.leastMs > best.mostMs + DRIFT_MS || offset.mostMs < best.leastMs - DRIFT_MS;
    this.readings.set(source, contradicts ? [offset] : [...former.slice(1 - READINGS), offset]);
    this.agree();
  }

  /** Its connection is lost: its readings count only while there are no others. */
  forget(source: unknown): void {
    if (this.readings.size === 1) return;
    this.readings.delete(source);
    this.agree();
  }

  private agree(): void {
    const offsets = Array.from(this.readings.values(), narrowest);
    if (offsets.length > 1) offsets.sort((one, other) => middle(one) - middle(other));
    const agreed = offsets[offsets.length >> 1];
    this.agreed = agreed;
    this.exactOffsetMs = agreed && uncertaintyMs(agreed) <= EXACT_MS ? middle(agreed) : undefined;
  }
}

function narrowest(offsets: readonly Offset[]): Offset {
  return offsets.reduce((best, next) => (uncertaintyMs(next) <= uncertaintyMs(best) ? next : best));
}

function middle({ leastMs, mostMs }: Offset): number {
  return (leastMs + mostMs) / 2;
}

function uncertaintyMs({ leastMs, mostMs }: Offset): number {
  return (mostMs - leastMs) / 2;
}

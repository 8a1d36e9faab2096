/** Messages of one channel. */
export interface Subscription {
  /**
   * Whether every message published so far has certainly arrived: false once the connection is lost or silent for half
   * a second, or the process was paused, until it is certain again. Costs a comparison of numbers.
   */
  readonly live: boolean;
  /** Calls back on each change of `live`. */
  onChange(listener: (live: boolean) => void): void;
  /** Calls back on each loss of the connection: messages from then on, until `live` is true again, never arrive. */
  onLost(listener: () => void): void;
  close(): Promise<void>;
}

/** Messages to all processes. {@link KeyValues} publishes them, in its transactions. */
export abstract class Feed {
  abstract subscribe(channel: string, listener: (message: string) => void): Subscription;
}

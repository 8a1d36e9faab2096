/** Messages of one channel. */
export interface Subscription {
  /**
   * Whether every message published so far has certainly been delivered: false once the connection is lost or silent for half
   * a second, or the process was paused, until it is certain again. Costs a comparison of numbers.
   */
  readonly live: boolean;
  /** Called whenever `live` has changed. */
  onChange(listener: (live: boolean) => void): void;
  /** Called whenever the connection was lost: messages from then on, until `live` is true again, are never delivered. */
  onLost(listener: () => void): void;
  close(): Promise<void>;
}

/** Messages to all processes. {@link KeyValues} publishes them, in its transactions. */
export abstract class Feed {
  abstract subscribe(channel: string, listener: (message: string) => void): Subscription;
}

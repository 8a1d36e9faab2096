/** The store's own clock, shared by all processes. */
export abstract class StoreClock {
  /** Unix time in milliseconds. Our own clock until the first contact. */
  abstract nowMs(): number;
}

/** What the server behind the store is, and whether it is well. */
export abstract class ServerFacts extends StoreClock {
  /** False where no other process sees the data (`memory:`). */
  abstract readonly shared: boolean;
  /** Whether a call can succeed right now; for readiness. */
  abstract readonly available: boolean;
  /** The current problems of the store, a sentence each, for readiness: it is away, or refuses requests. */
  abstract readonly problems: readonly string[];
  /** False where the current server is a replica: it accepts no writes, and may lag behind. */
  abstract readonly takesWrites: boolean;
  /**
   * Names the current server and the history of its data: it changes with each start of Redis, and whenever a copy takes over.
   * Undefined while it is unknown, and for a replica. An answer of `getMany` comes from this server.
   */
  abstract readonly serverId: string | undefined;
  /** Whether writes survive a restart of the store's server. */
  abstract keepsWrites(): Promise<boolean>;
  /** Settings of the store that could lose writes; empty if there are none. */
  abstract weaknesses(): Promise<readonly string[]>;
  /** Calls the listener each time the store becomes available, the first time included. Returns a function that ends this. */
  abstract onAvailable(listener: () => void): () => void;
}

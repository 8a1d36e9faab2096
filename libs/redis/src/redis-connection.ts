import { setTimeout as delay } from 'node:timers/promises';
import { isNativeError } from 'node:util/types';
import { createClient } from 'redis';
import type { StoreLog } from './shared-store.js';

export type RedisClient = ReturnType<typeof newClient>;

/** How often the server is asked for a sign of life, and how long it may take before the connection counts as lost. */
const HEARTBEAT_MS = 200;
const STALL_MS = 800;
const CONNECT_TIMEOUT_MS = 1_000;
const MAX_BACKOFF_MS = 250;

export interface RedisConnectionEvents {
  /** Before the connection counts as up, e.g. to subscribe. */
  prepare?(client: RedisClient): Promise<unknown>;
  up?(): void;
  down?(): void;
  /** Asks for the sign of life. Default: PING. */
  beat?(client: RedisClient): Promise<unknown>;
  /** An answer to a beat that was sent at `sentAtMs` (performance.now()): all that came before it has been received. */
  heartbeat?(sentAtMs: number): void;
}

/**
 * One connection to Redis that is either up or being made anew.
 *
 * node-redis would reconnect by itself, but does not notice a server that is frozen (its socket timeout is reset by what is
 * written) and does not replace a connection that is half open. So each client here lives until its first fault or missed
 * heartbeat, is destroyed, which rejects all that waits for it, and is followed by a new one.
 */
export class RedisConnection {
  private current: RedisClient | undefined;
  private closed = false;
  private readonly ended: Promise<void>;
  /** Ends what the loop is waiting for. */
  private wake: () => void = () => undefined;
  private troubled = false;

  constructor(
    private readonly url: string,
    private readonly name: string,
    private readonly events: RedisConnectionEvents,
    private readonly log: StoreLog | undefined,
  ) {
    this.ended = this.run();
  }

  /** The client of the moment; undefined while there is none that is ready. */
  get client(): RedisClient | undefined {
    return this.current;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.wake();
    await this.ended;
  }

  private async run(): Promise<void> {
    for (let attempt = 0; !this.closed; attempt += 1) {
      const client = newClient(this.url);
      try {
        await this.serve(client, () => (attempt = 0));
      } catch (error) {
        this.reportTrouble(error);
      } finally {
        const wasUp = this.current !== undefined;
        this.current = undefined;
        if (wasUp) this.events.down?.();
        if (client.isOpen) client.destroy();
      }
      const backoffMs = Math.min(MAX_BACKOFF_MS, 20 * 2 ** Math.min(attempt, 6)) * (0.75 + Math.random() / 2);
      if (!this.closed) await this.pause(backoffMs, new AbortController());
    }
  }

  /** Returns when closed, throws when the connection is lost. */
  private async serve(client: RedisClient, onUp: () => void): Promise<void> {
    const lost = new AbortController();
    client.on('error', (error: unknown) => lost.abort(error));
    client.on('end', () => lost.abort(new Error('the connection was closed')));
    await within(CONNECT_TIMEOUT_MS, client.connect());
    if (this.events.prepare) await within(CONNECT_TIMEOUT_MS, this.events.prepare(client));
    await this.beat(client);
    this.current = client;
    onUp();
    this.reportRecovery();
    this.events.up?.();
    while (!this.closed) {
      await this.pause(HEARTBEAT_MS, lost);
      if (this.closed) return;
      lost.signal.throwIfAborted();
      await this.beat(client);
    }
  }

  private async pause(ms: number, interrupt: AbortController): Promise<void> {
    this.wake = () => interrupt.abort();
    if (this.closed) return;
    await delay(ms, undefined, { signal: interrupt.signal }).catch(() => undefined);
  }

  private async beat(client: RedisClient): Promise<void> {
    const sentAtMs = performance.now();
    await within(STALL_MS, this.events.beat?.(client) ?? client.ping());
    this.events.heartbeat?.(sentAtMs);
  }

  private reportTrouble(error: unknown): void {
    if (this.troubled || this.closed) return;
    this.troubled = true;
    this.log?.warn(`Redis (${this.name}) is away, trying again until it is back: ${reason(error)}`);
  }

  private reportRecovery(): void {
    if (this.troubled) this.log?.info(`Redis (${this.name}) is back`);
    this.troubled = false;
  }
}

function newClient(url: string) {
  return createClient({
    url,
    disableOfflineQueue: true,
    // Else node-redis makes an AbortSignal for every command, at a quarter of the throughput.
    commandOptions: { timeout: 0 },
    socket: { connectTimeout: CONNECT_TIMEOUT_MS, reconnectStrategy: false, noDelay: true },
  });
}

/** There was no answer within the time given. */
export class Overrun extends Error {}

/**
 * Rejects with {@link Overrun} after a time; what it waited for is left to itself.
 *
 * A pause of this process uses up one half of the time at the most, and what was answered meanwhile is read in the other.
 */
export async function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const fail = () => reject(new Overrun(`no answer within ${timeoutMs} ms`));
    timer = setTimeout(() => (timer = setTimeout(fail, timeoutMs / 2)), timeoutMs / 2);
  });
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Redis repeats no argument in its connection errors; anything longer is not one of these. */
function reason(error: unknown): string {
  if (!isNativeError(error)) return 'unknown error';
  const [first] = error instanceof AggregateError ? (error.errors as Error[]) : [error];
  return (first?.message || error.name).slice(0, 120);
}

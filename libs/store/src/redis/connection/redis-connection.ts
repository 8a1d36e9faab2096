import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isNativeError } from 'node:util/types';
import { createClient } from 'redis';
import type { RedisAddress, RedisTls } from './redis-address.js';
import { refusalCode, refusalIn } from './redis-refusal.js';
import type { StoreLog } from '../../store-log.js';

export type RedisClient = ReturnType<typeof newClient>;

/** Address of a Redis, and how to verify that it is the right one. */
export interface RedisTarget extends RedisAddress {
  /** For `rediss://`, besides the authorities that Node knows. */
  readonly material?: RedisTls | undefined;
}

/** Interval of heartbeats, and the time for an answer before the connection counts as lost. */
const HEARTBEAT_MS = 200;
const STALL_MS = 800;
const CONNECT_TIMEOUT_MS = 1_000;
const MAX_BACKOFF_MS = 250;
/** Interval of the search for another server while the current one refuses requests. */
const SEEK_MS = 1_000;

export interface RedisConnectionEvents {
  /** Runs before the connection counts as up, e.g. to subscribe. */
  prepare?(client: RedisClient): Promise<unknown>;
  up?(): void;
  down?(): void;
  /** Sends the heartbeat. Default: PING. */
  beat?(client: RedisClient): Promise<unknown>;
  /** The answer to a beat sent at `sentAtMs` (performance.now()): everything before it has arrived. */
  heartbeat?(sentAtMs: number): void;
  /** Whether the server behind the connection may be the wrong one; called after each beat. */
  doubts?(): boolean;
  /** Whether this client leads to a right server. If another client does, and the current one is in doubt, it takes over. */
  suits?(client: RedisClient): Promise<boolean>;
}

interface Link {
  readonly client: RedisClient;
  /** Aborts when the connection is lost, with the reason. */
  readonly lost: AbortController;
}

/**
 * One connection to Redis. It is up, or on its way back.
 *
 * node-redis would reconnect by itself, but it does not notice a frozen server (each write resets its socket timeout) and does not
 * replace a half-open connection. So each client here lives until its first fault or missed heartbeat. Then the connection destroys it,
 * which rejects all its waiting calls, and a new one follows.
 *
 * A name or a proxy may lead to another server by now, while an open connection still reaches the former one, healthy but
 * useless. So in doubt the connection opens a second one, which takes over if it leads to a suitable server.
 */
export class RedisConnection {
  private current: RedisClient | undefined;
  private closed = false;
  private readonly ended: Promise<void>;
  /** Ends the current wait of the loop. */
  private wake: () => void = () => undefined;
  private reason: string | undefined;
  /** Kinds of trouble that the log has of this outage. */
  private readonly told = new Set<string>();
  private successor: Link | undefined;
  private seeking = false;
  private soughtAtMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly target: RedisTarget,
    private readonly name: string,
    private readonly events: RedisConnectionEvents,
    private readonly log: StoreLog | undefined,
  ) {
    this.ended = this.run();
  }

  /** The current client; undefined while none is ready. */
  get client(): RedisClient | undefined {
    return this.current;
  }

  /** The known reason why there is none: Redis's words or the socket's. */
  get trouble(): string | undefined {
    return this.reason;
  }

  async close(): Promise<void> {
    this.closed = true;
    this.wake();
    await this.ended;
  }

  private async run(): Promise<void> {
    for (let attempt = 0; !this.closed; attempt += 1) {
      const link = this.successor ?? newLink(this.target);
      const { client } = link;
      this.successor = undefined;
      try {
        await this.serve(link, () => (attempt = 0));
      } catch (error) {
        this.reportTrouble(error);
      } finally {
        const wasUp = this.current !== undefined;
        this.current = undefined;
        if (wasUp) this.events.down?.();
        destroy(client);
      }
      if (this.successor) continue;
      const backoffMs = Math.min(MAX_BACKOFF_MS, 20 * 2 ** Math.min(attempt, 6)) * (0.75 + Math.random() / 2);
      if (!this.closed) await this.pause(backoffMs, new AbortController());
    }
    if (this.successor) destroy(this.successor.client);
  }

  /** Returns after a close or when a successor takes over, throws when the connection is lost. */
  private async serve({ client, lost }: Link, onUp: () => void): Promise<void> {
    if (!client.isOpen) await within(CONNECT_TIMEOUT_MS, client.connect());
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
      if (this.successor) return;
      if (this.events.doubts?.()) void this.seek(client);
    }
  }

  /** Looks for a suitable server: the current one may be suitable again, or a new connection leads to another. */
  private async seek(current: RedisClient): Promise<void> {
    if (this.seeking || performance.now() - this.soughtAtMs < SEEK_MS) return;
    this.seeking = true;
    this.soughtAtMs = performance.now();
    try {
      if (!(await this.suits(current))) await this.tryAnother(current);
    } catch {
      // There is no better one then, or the current one will miss its next heartbeat.
    } finally {
      this.seeking = false;
    }
  }

  private async tryAnother(current: RedisClient): Promise<void> {
    const link = newLink(this.target);
    try {
      await within(CONNECT_TIMEOUT_MS, link.client.connect());
      if ((await this.suits(link.client)) && !this.closed && this.current === current) this.successor = link;
    } finally {
      if (this.successor !== link) destroy(link.client);
    }
  }

  private suits(client: RedisClient): Promise<boolean> {
    return within(CONNECT_TIMEOUT_MS, this.events.suits?.(client) ?? Promise.resolve(true));
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
    if (this.closed) return;
    this.reason = reason(error);
    // After a loss the next connection is often refused, and Redis's words about that say more.
    const kind = refusalIn(error) === undefined ? '' : refusalCode(this.reason);
    if (this.told.has(kind)) return;
    this.told.add(kind);
    this.log?.warn(`Redis (${this.name}) is away, trying again until it is back: ${this.reason}`);
  }

  private reportRecovery(): void {
    if (this.reason !== undefined) this.log?.info(`Redis (${this.name}) is back`);
    this.reason = undefined;
    this.told.clear();
  }
}

function newLink(target: RedisTarget): Link {
  const client = newClient(target);
  const lost = new AbortController();
  client.on('error', (error: unknown) => lost.abort(error));
  client.on('end', () => lost.abort(new Error('the connection was closed')));
  return { client, lost };
}

function destroy(client: RedisClient): void {
  if (client.isOpen) client.destroy();
}

function newClient({ host, port, tls, username, password, database, material }: RedisTarget) {
  const { ca, cert, key } = material ?? {};
  const socket = {
    host,
    port,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectStrategy: false,
    noDelay: true,
  } as const;
  return createClient({
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    database,
    disableOfflineQueue: true,
    // Otherwise node-redis makes an AbortSignal for every command, which costs a quarter of the throughput.
    commandOptions: { timeout: 0 },
    socket: tls
      ? {
          ...socket,
          tls: true,
          ...(isIP(host) === 0 && { servername: host }),
          ...(ca !== undefined && { ca }),
          ...(cert !== undefined && { cert, key }),
        }
      : socket,
  });
}

/** There was no answer within the given time. */
export class Overrun extends Error {}

/**
 * Rejects with {@link Overrun} after a time, and then ignores the awaited result.
 *
 * A pause of this process uses up at most one half of the time; answers from the pause are read in the other half.
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

/** Redis repeats no argument in its connection errors; a longer message is not one of these. */
function reason(error: unknown): string {
  if (!isNativeError(error)) return 'unknown error';
  const [first] = error instanceof AggregateError ? (error.errors as Error[]) : [error];
  return (first?.message || error.name).slice(0, 120);
}

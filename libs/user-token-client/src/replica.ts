import { isNativeError } from 'node:util/types';
import { ClientTCP } from '@nestjs/microservices';
import {
  catchError,
  EMPTY,
  exhaustMap,
  finalize,
  firstValueFrom,
  from,
  ignoreElements,
  interval,
  lastValueFrom,
  mergeMap,
  Observable,
  race,
  share,
  skip,
  tap,
  throwError,
  TimeoutError,
  timer,
} from 'rxjs';
import type { ReplicaAddress } from './address.js';
import { CallFailed } from './call-failed.js';
import { failureSchema, patterns, type VerifyRequest } from './contract.js';
import { UserTokenUnavailable } from './user-token-unavailable.js';
import { VerifyBatches } from './verify-batches.js';

/** Certificates for mutual TLS, PEM. */
export interface TlsMaterial {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * Characters that may be under way on one connection. user-token drops a connection whose unread bytes pass
 * 64 KiB, however many well-formed messages they are, so a burst waits here.
 */
const WINDOW_CHARS = 48 * 1024;
const MAX_REPLY_CHARS = 1024 * 1024;
const ENVELOPE_CHARS = 128;
/** Calls that take longer are accompanied by pings so far apart: a slow answer is waited for, a frozen process is not. */
const PING_EVERY_MS = 100;
/** user-token closes connections that are idle for three times as long. */
const KEEP_ALIVE_MS = 10_000;
/** Silence is counted in ticks and not by the clock: a pause of this process, in which answers pile up unread, is one tick. */
const PING_TICK_MS = 50;
const PING_TICKS = 3;

/** One connection to one user-token process. Connects at the first call and again at the next call after a loss. */
export class Replica {
  private readonly proxy: QuietClientTcp;
  private charsUnderWay = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly verifications = new VerifyBatches(
    (requests, chars, timeoutMs) => this.replies(patterns.verify, { requests }, chars, timeoutMs),
    WINDOW_CHARS - ENVELOPE_CHARS,
  );
  private pinging: Observable<never> | undefined;
  private readonly keepingAlive = setInterval(() => {
    if (this.proxy.connected) void this.isFrozen();
  }, KEEP_ALIVE_MS).unref();

  constructor(
    readonly address: ReplicaAddress,
    tls: TlsMaterial | undefined,
    /** Called when calls have been waiting long enough for a ping. */
    private readonly onSuspicion: () => void = () => undefined,
  ) {
    this.proxy = new QuietClientTcp({
      host: address.host,
      port: address.port,
      maxBufferSize: MAX_REPLY_CHARS,
      incompleteMessageTimeout: 5_000,
      ...(tls && { tlsOptions: { ...tls, servername: address.host } }),
    });
  }

  /**
   * @returns the reply as it came
   * @throws {CallFailed} for every failure: refused, reset, silent, or an error that user-token answered with
   */
  call(pattern: string, payload: object, timeoutMs: number): Promise<unknown> {
    return firstValueFrom(this.replies(pattern, payload, JSON.stringify(payload).length, timeoutMs));
  }

  /**
   * @returns the verdict as it came
   * @throws {CallFailed} as {@link call} does
   */
  verify(request: VerifyRequest, timeoutMs: number): Promise<unknown> {
    return this.verifications.verify(request, timeoutMs);
  }

  /** Whether the process behind the connection keeps silent when it is asked for a sign of life. */
  isFrozen(): Promise<boolean> {
    return lastValueFrom(this.ping(), { defaultValue: false }).catch(() => true);
  }

  /** The next call connects anew: a connection that the network has forgotten stays silent however well the process is. */
  disconnect(): void {
    this.proxy.disconnect();
  }

  close(): void {
    clearInterval(this.keepingAlive);
    this.proxy.close();
  }

  /** Ends when there was a sign of life, or something that is none of silence; fails after silence. */
  private ping(): Observable<never> {
    return race(this.proxy.send<unknown>(patterns.ping, {}), silence()).pipe(
      // Only silence is proof; what else can go wrong with a ping shows in the call itself.
      catchError((error: unknown) => (error instanceof TimeoutError ? throwError(() => error) : EMPTY)),
      ignoreElements(),
    );
  }

  /** Fails once the process behind the connection does not even answer a ping; shared by all calls that wait. */
  private frozen(): Observable<never> {
    this.pinging ??= timer(PING_EVERY_MS, PING_EVERY_MS).pipe(
      exhaustMap(() => {
        this.onSuspicion();
        return this.ping();
      }),

      finalize(() => (this.pinging = undefined)),
      share(),
    );
    return this.pinging;
  }

  /** Everything that a message is answered with, until that is complete or the time is over. */
  private replies(
    pattern: string,
    payload: object,
    payloadChars: number,
    timeoutMs: number,
  ): Observable<unknown> {
    const deadlineMs = performance.now() + timeoutMs;
    const chars = payloadChars + ENVELOPE_CHARS;
    return from(this.admit(chars, timeoutMs)).pipe(
      mergeMap((release) =>
        this.untilSilent(this.proxy.send<unknown>(pattern, payload), deadlineMs - performance.now()).pipe(
          // user-token has read a message that it answers, if only in part.
          tap(release),
          finalize(release),
        ),
      ),
      catchError((error: unknown) => throwError(() => asCallFailed(error, this.address))),
    );
  }

  private untilSilent(replies: Observable<unknown>, timeoutMs: number): Observable<unknown> {
    return new Observable((caller) => {
      const fail = (error: unknown) => caller.error(error);
      const late = setTimeout(() => fail(new TimeoutError()), Math.max(1, timeoutMs));
      caller.add(() => clearTimeout(late));
      caller.add(this.frozen().subscribe({ error: fail }));
      caller.add(replies.subscribe(caller));
    });
  }

  /** @returns how to say that they are no longer under way; can be said twice */
  private async admit(chars: number, timeoutMs: number): Promise<() => void> {
    const deadline = performance.now() + timeoutMs;
    while (this.charsUnderWay > 0 && this.charsUnderWay + chars > WINDOW_CHARS) {
      const freed = await this.nextFreed(deadline - performance.now());
      if (!freed) {
        const unavailable = new UserTokenUnavailable('timeout', 'too many calls to user-token are waiting');
        throw new CallFailed(unavailable, false);
      }
    }
    this.charsUnderWay += chars;
    if (this.charsUnderWay < WINDOW_CHARS) this.waiting.shift()?.();
    let underWay = chars;
    return () => {
      if (underWay === 0) return;
      this.charsUnderWay -= underWay;
      underWay = 0;
      this.waiting.shift()?.();
    };
  }

  private nextFreed(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(
        () => {
          this.waiting.splice(this.waiting.indexOf(wake), 1);
          resolve(false);
        },
        Math.max(0, timeoutMs),
      );
      this.waiting.push(wake);
    });
  }
}

class QuietClientTcp extends ClientTCP {
  get connected(): boolean {
    return this.socket !== null;
  }

  disconnect(): void {
    this.socket?.netSocket.destroy();
  }

  /** A connection that failed is made anew by the next call; Nest would keep handing out the failure until the socket is closed. */
  override connect(): Promise<unknown> {
    const connecting = super.connect();
    // What is asked next must not wait until what was asked before is acknowledged (Nagle).
    this.socket?.netSocket.setNoDelay();
    connecting.catch(() => {
      if (this.connectionPromise !== connecting) return;
      this.connectionPromise = null;
      this.socket = null;
    });
    return connecting;
  }

  /** Nest would log whatever bytes a broken peer sent; the failed call reports all that is needed. */
  override handleError(): void {}
}

/** Fails after so many ticks. */
function silence(): Observable<never> {
  return interval(PING_TICK_MS).pipe(
    skip(PING_TICKS - 1),
    mergeMap(() => throwError(() => new TimeoutError())),
  );
}

function asCallFailed(error: unknown, { host, port }: ReplicaAddress): CallFailed {
  if (error instanceof CallFailed) return error;
  const where = `user-token at ${host}:${port}`;
  if (error instanceof TimeoutError) {
    return new CallFailed(
      new UserTokenUnavailable('timeout', `${where} did not answer in time`, { cause: error }),
      true,
    );
  }
  const failure = failureSchema.safeParse(error);
  if (failure.success) {
    const { code, message, retryAfterSeconds } = failure.data;
    return new CallFailed(new UserTokenUnavailable(code, message, { retryAfterSeconds }), true);
  }
  if (isNativeError(error)) {
    // Nest rejects with a plain "Connection closed" once a socket that had been open is lost; errors with a code come from connecting.
    const sent = !('code' in error);
    return new CallFailed(
      new UserTokenUnavailable('unreachable', `${where} cannot be reached`, { cause: error }),
      sent,
    );
  }
  // "no such handler" arrives as a string, an unhandled exception as { status, message }.
  return new CallFailed(new UserTokenUnavailable('protocol', `${where} answered outside the contract`), true);
}

import { isIP, type Socket } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { isNativeError } from 'node:util/types';
import { ClientTCP } from '@nestjs/microservices';
import {
  catchError,
  defer,
  EMPTY,
  exhaustMap,
  finalize,
  firstValueFrom,
  fromEvent,
  ignoreElements,
  interval,
  lastValueFrom,
  map,
  merge,
  mergeMap,
  Observable,
  race,
  share,
  take,
  tap,
  throwError,
  TimeoutError,
  timer,
} from 'rxjs';
import {
  failureSchema,
  KEEP_ALIVE_MS,
  MAX_ENVELOPE_LENGTH,
  MAX_MESSAGE_LENGTH,
  MAX_REPLY_LENGTH,
  messages,
  SEND_WINDOW_LENGTH,
  type Pong,
  type RequestOf,
} from '@app/contract';
import { type ReplicaAddress, FrameSocket, type FrameOptions, explainTlsFailure } from '@app/wire';
import type { ClockReading } from './measured-clock.js';
import { SendWindow } from './send-window.js';
import { UserTokenUnavailable } from './user-token-unavailable.js';
import { VerifyBatches } from './verify-batches.js';

/** Certificates for mutual TLS, PEM. */
export interface TlsMaterial {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Fixed material, or a function that returns the current material for each connection. */
export type TlsSource = TlsMaterial | (() => TlsMaterial);

/** Events of a replica besides answers. */
export interface ReplicaEvents {
  /** Calls have been waiting long enough for a ping. */
  suspected(): void;
  clockRead(reading: ClockReading): void;
  connectionLost(): void;
  /** A verdict was about another token. */
  mixedUp(): void;
  /** The two sides do not accept each other's certificates; `reason` says why. */
  tlsFailed(reason: string): void;
}

/** Interval of pings during longer calls: a slow answer is waited for, a frozen process is not. */
const PING_EVERY_MS = 100;
const TURNED_AWAY =
  'it closed the connection before its first answer: it may not take our USER_TOKEN_TLS_CERT, which its log then tells';
/** Errors of a connection that the other side closes while it is being made. */
const CLOSED: readonly unknown[] = ['ECONNRESET', 'ECONNABORTED', 'EPIPE'];
/** Silence is counted in ticks, not by the clock: a pause of this process, while answers pile up unread, is one tick. */
const PING_TICK_MS = 50;
const PING_TICKS = 3;
/** In a burst, or behind a flood of connections, a process may be silent for longer; allowed where no other could take over. */
const PATIENT_PING_TICKS = 20;

/** One connection to one user-token process. Connects at the first call and again at the next call after a loss. */
export class Replica {
  private readonly proxy: QuietClientTcp;
  private readonly window = new SendWindow(SEND_WINDOW_LENGTH, () => this.askForReceipt());
  private receiptAsked = false;
  private heard = 0;
  private isConnected = false;
  private heardOnConnection = false;
  private wasSilent = false;
  private leaving = false;
  private readonly verifications: VerifyBatches;
  private readonly pinging = new Map<boolean, Observable<never>>();
  private readonly keepingAlive = setInterval(() => {
    if (this.proxy.connected) void this.isFrozen();
  }, KEEP_ALIVE_MS).unref();

  constructor(
    readonly address: ReplicaAddress,
    private readonly tls: TlsSource | undefined,
    private readonly events: ReplicaEvents,
    /** Whether there is no other replica. */
    private readonly isAlone: boolean,
  ) {
    this.proxy = new QuietClientTcp(address, tls, {
      failed: (error) => {
        const reason = this.tlsReasonOf(error);
        if (reason !== undefined) events.tlsFailed(reason);
      },
      heard: () => {
        this.heard += 1;
        this.heardOnConnection = true;
        this.wasSilent = false;
      },
      // user-token makes room for connections that have sent something, and this reads its clock at once.
      connected: () => {
        this.isConnected = true;
        this.leaving = false;
        void this.isFrozen();
      },
      lost: () => {
        if (this.isTurnedAway()) events.tlsFailed(TURNED_AWAY);
        this.isConnected = false;
        this.heardOnConnection = false;
        this.window.reset();
        events.connectionLost();
      },
    });
    this.verifications = new VerifyBatches(
      (requests, chars, timeoutMs) => this.replies(messages.verify.pattern, { requests }, chars, timeoutMs),
      SEND_WINDOW_LENGTH - MAX_ENVELOPE_LENGTH,
      () => events.mixedUp(),
    );
  }

  /**
   * @param mayMove whether another replica could take over the call
   * @returns the reply as it came
   * @throws {UserTokenUnavailable} for every failure: refused, reset, silent, or an error from user-token
   */
  call(pattern: string, payload: object, timeoutMs: number, mayMove = true): Promise<unknown> {
    return firstValueFrom(this.replies(pattern, payload, JSON.stringify(payload).length, timeoutMs, mayMove));
  }

  /**
   * @returns the verdict as it came
   * @throws {UserTokenUnavailable} as {@link call} does
   */
  verify(request: RequestOf<'verify'>, timeoutMs: number): Promise<unknown> {
    return this.verifications.verify(request, timeoutMs);
  }

  /** @throws {UserTokenUnavailable} when no answer came in time, connecting included */
  async signOfLife(timeoutMs: number): Promise<void> {
    await this.call(messages.ping.pattern, {}, timeoutMs);
  }

  /** Whether the process behind the connection does not answer a ping. */
  isFrozen(): Promise<boolean> {
    return lastValueFrom(this.ping(), { defaultValue: false }).catch(() => true);
  }

  /** The next call connects anew: a connection that the network has dropped stays silent even if the process is well. */
  disconnect(): void {
    this.leaving = true;
    this.proxy.disconnect();
  }

  close(): void {
    clearInterval(this.keepingAlive);
    this.leaving = true;
    this.window.close(new UserTokenUnavailable('unreachable', 'this client is closed', { sent: false }));
    this.proxy.close();
  }

  /** A server refuses a certificate after the handshake (TLS 1.3), and then only closes the connection. */
  private isTurnedAway(): boolean {
    return this.tls !== undefined && this.isConnected && !this.heardOnConnection && !this.leaving;
  }

  private tlsReasonOf(error: unknown): string | undefined {
    if (this.tls === undefined || this.leaving) return undefined;
    if (!(error instanceof NotConnected)) return this.isTurnedAway() ? TURNED_AWAY : undefined;
    const { code } = error.cause as { code?: unknown };
    return explainTlsFailure(code) ?? (CLOSED.includes(code) ? TURNED_AWAY : undefined);
  }

  /** Completes on any reply except a timeout, and on any other failure; fails after silence. */
  private ping(mayMove = true): Observable<never> {
    return race(this.send(messages.ping.pattern, {}), this.silence(mayMove)).pipe(
      // Only silence is proof; any other failure of a ping shows in the call itself.
      catchError((error: unknown) => (error instanceof Silence ? throwError(() => error) : EMPTY)),
      ignoreElements(),
    );
  }

  /** Fails after this many ticks without any input, be it this answer or the answer to another call. */
  private silence(mayMove: boolean): Observable<never> {
    return defer(() => {
      let { heard } = this;
      let ticks = 0;
      return interval(PING_TICK_MS).pipe(
        mergeMap(() => {
          ticks = heard === this.heard ? ticks + 1 : 0;
          heard = this.heard;
          if (ticks < this.patienceTicks(mayMove)) return EMPTY;
          this.wasSilent = true;
          return throwError(() => new Silence());
        }),
      );
    });
  }

  /** After one silence, a replica without a substitute fails its callers as soon as any other, until it is heard again. */
  private patienceTicks(mayMove: boolean): number {
    const isPatient = this.isAlone ? !this.wasSilent : !mayMove;
    return isPatient ? PATIENT_PING_TICKS : PING_TICKS;
  }

  /** Fails when the process behind the connection does not even answer a ping; shared by all calls with the same patience. */
  private frozen(mayMove: boolean): Observable<never> {
    const known = this.pinging.get(mayMove);
    if (known) return known;
    const pinging = timer(PING_EVERY_MS, PING_EVERY_MS).pipe(
      exhaustMap(() => {
        this.events.suspected();
        return this.ping(mayMove);
      }),
      finalize(() => this.pinging.delete(mayMove)),
      share(),
    );
    this.pinging.set(mayMove, pinging);
    return pinging;
  }

  /** The answer to a ping proves that everything before it was read, however long the calls themselves take. */
  private askForReceipt(): void {
    if (this.receiptAsked) return;
    this.receiptAsked = true;
    const markRead = this.window.mark();
    const done = () => {
      this.receiptAsked = false;
      markRead();
    };
    // An error is also an answer, or the end of the connection.
    this.send(messages.ping.pattern, {}).subscribe({ error: done, complete: done });
  }

  /** All replies to a message, until they are complete or the time is over. */
  private replies(
    pattern: string,
    payload: object,
    payloadLength: number,
    timeoutMs: number,
    mayMove = true,
  ): Observable<unknown> {
    // user-token would close the connection, with the calls of others on it.
    if (payloadLength + MAX_ENVELOPE_LENGTH > MAX_MESSAGE_LENGTH) {
      return throwError(
        () => new UserTokenUnavailable('invalid_payload', 'the call is too long', { sent: false }),
      );
    }
    return defer(() => {
      let entered = false;
      const asking = this.window.room(payloadLength + MAX_ENVELOPE_LENGTH).pipe(
        mergeMap((markRead) => {
          entered = true;
          return this.send(pattern, payload).pipe(tap(markRead));
        }),
      );
      return this.untilSilent(asking, timeoutMs, mayMove).pipe(
        catchError((error: unknown) => {
          // A call lost with its connection fails at once: this one still waits for a connection, or was sent on it.
          const sent = entered && this.isConnected;
          const tlsReason = this.tlsReasonOf(error);
          return throwError(() => asUnavailable(error, this.address, sent, tlsReason));
        }),
      );
    });
  }

  /** All messages go through here, so that they are written in the order of the calls. */
  private send(pattern: string, payload: object): Observable<unknown> {
    const sentAtMs = performance.now();
    return this.proxy.send<unknown>(pattern, payload).pipe(tap((reply) => this.readClock(reply, sentAtMs)));
  }

  private readClock(reply: unknown, sentAtMs: number): void {
    const theirsMs = (reply as Partial<Pong> | null | undefined)?.nowMs;
    if (typeof theirsMs !== 'number') return;
    this.events.clockRead({ sentAtMs, receivedAtMs: performance.now(), theirsMs });
  }

  private untilSilent(
    replies: Observable<unknown>,
    timeoutMs: number,
    mayMove: boolean,
  ): Observable<unknown> {
    return new Observable((caller) => {
      const fail = (error: unknown) => caller.error(error);
      let reading: NodeJS.Immediate | undefined;
      const late = setTimeout(
        // If this process stood still, the answer may have arrived, and is read after the timers.
        () => (reading = setImmediate(() => fail(new TimeoutError()))),
        Math.max(1, timeoutMs),
      );
      caller.add(() => {
        clearTimeout(late);
        clearImmediate(reading);
      });
      caller.add(this.frozen(mayMove).subscribe({ error: fail }));
      caller.add(replies.subscribe(caller));
    });
  }
}

/** The process did not even answer a ping. */
class Silence extends Error {}

/** There was no connection, so that nothing was sent. */
class NotConnected extends Error {
  constructor(override readonly cause: Error) {
    super(cause.message);
  }
}

interface ConnectionEvents {
  failed(error: unknown): void;
  heard(): void;
  connected(): void;
  lost(): void;
}

class QuietClientTcp extends ClientTCP {
  private closed = false;

  constructor(
    { host, port }: ReplicaAddress,
    tls: TlsSource | undefined,
    private readonly events: ConnectionEvents,
  ) {
    const options: FrameOptions = {
      maxChars: MAX_REPLY_LENGTH,
      accepts: isReply,
      onBytes: () => events.heard(),
    };
    super({
      host,
      port,
      socketClass: class extends FrameSocket {
        constructor(socket: Socket) {
          super(socket, options);
        }
      },
      ...(tls && { tlsOptions: tlsOptionsOf(tls, host) }),
    });
  }

  get connected(): boolean {
    return this.socket !== null;
  }

  disconnect(): void {
    this.socket?.netSocket.destroy();
  }

  override close(): void {
    this.closed = true;
    super.close();
  }

  /** @throws {NotConnected} */
  override async connect(): Promise<unknown> {
    try {
      return await this.connection();
    } catch (error) {
      throw new NotConnected(error as Error);
    }
  }

  /** The next call replaces a failed connection; Nest would keep returning the failure until the socket is closed. */
  private connection(): Promise<unknown> {
    if (this.closed) return Promise.reject(connectionError('this client is closed'));
    if (this.connectionPromise) return this.connectionPromise;
    const connecting = super.connect();
    // A question must not wait for the acknowledgement of the previous one (Nagle).
    this.socket?.netSocket.setNoDelay();
    connecting.then(
      () => this.events.connected(),
      (error: unknown) => {
        if (this.connectionPromise !== connecting) return;
        this.events.failed(new NotConnected(error as Error));
        this.connectionPromise = null;
        this.socket = null;
        this.events.lost();
      },
    );
    return connecting;
  }

  override handleClose(): void {
    super.handleClose();
    this.events.lost();
  }

  /** Nest would log any bytes of a broken peer; the failed call reports enough. */
  override handleError(): void {}

  /** Nest would count a TCP connection as ready before TLS is, and wait for ever for a socket closed without an error. */
  protected override connect$(socket: object): Observable<unknown> {
    const connected = super.connect$(socket, 'error', this.tlsOptions ? 'secureConnect' : 'connect');
    const closed = fromEvent(socket as Socket, 'close').pipe(
      map(() => {
        throw connectionError('closed while connecting');
      }),
    );
    return merge(connected, closed).pipe(take(1));
  }
}

/** Nest reads them for each connection. */
function tlsOptionsOf(tls: TlsSource, host: string): ConnectionOptions {
  const current = () => (typeof tls === 'function' ? tls() : tls);
  return {
    get ca() {
      return current().ca;
    },
    get cert() {
      return current().cert;
    },
    get key() {
      return current().key;
    },
    // An address is not a valid server name (RFC 6066 section 3).
    ...(isIP(host) === 0 && { servername: host }),
  };
}

/** The part that Nest relies on. */
function isReply(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'id' in message && typeof message.id === 'string';
}

function connectionError(message: string): Error {
  return Object.assign(new Error(message), { code: 'ECONNABORTED' });
}

function asUnavailable(
  error: unknown,
  { host, port }: ReplicaAddress,
  sent: boolean,
  tlsReason: string | undefined,
): UserTokenUnavailable {
  if (error instanceof UserTokenUnavailable) return error;
  const where = `user-token at ${host}:${port}`;
  if (error instanceof TimeoutError || error instanceof Silence) {
    const silent = error instanceof Silence;
    return new UserTokenUnavailable('timeout', `${where} did not answer in time`, {
      cause: error,
      sent,
      silent,
    });
  }
  const failure = failureSchema.safeParse(error);
  if (failure.success) {
    const { code, message, retryAfterSeconds } = failure.data;
    return new UserTokenUnavailable(code, message, { retryAfterSeconds });
  }
  const unreachable = `${where} cannot be reached${tlsReason === undefined ? '' : `: ${tlsReason}`}`;
  if (error instanceof NotConnected) {
    return new UserTokenUnavailable('unreachable', unreachable, { cause: error.cause, sent: false });
  }
  // Nest rejects with a plain error after a lost connection.
  if (isNativeError(error)) return new UserTokenUnavailable('unreachable', unreachable, { cause: error });
  // "no such handler" arrives as a string, an unhandled exception as { status, message }.
  return new UserTokenUnavailable('protocol', `${where} answered outside the contract`);
}

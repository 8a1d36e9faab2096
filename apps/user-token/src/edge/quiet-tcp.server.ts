import type { Socket } from 'node:net';
import { Server as TlsServer, type TLSSocket } from 'node:tls';
import { ServerTCP, type TcpOptions } from '@nestjs/microservices';
import { MAX_CALL_ID_LENGTH, MAX_PATTERN_LENGTH } from '@app/contract';
import { LineLimit, type TlsMaterial } from '@app/ops';
import { explainTlsFailure, FrameSocket } from '@app/wire';
import type { Log } from '../core/log.js';
import { networkOf } from '../core/network.js';
import { Connections, type Connection, type ConnectionLimits } from './connections.js';

export interface QuietTcpOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: NonNullable<TcpOptions['options']>['tlsOptions'];
  readonly connections: ConnectionLimits;
  /** A connection is closed after so long without a byte. */
  readonly idleMs: number;
  /** Longest message, in characters. */
  readonly maxMessageChars: number;
  /** From its first byte to its last. */
  readonly messageTimeoutMs: number;
  /** Replies that a client leaves unread; then its connection is closed. */
  readonly maxUnreadBytes: number;
}

/** Connections that wait to be accepted; what comes beyond them tries again after a second. Linux allows 4,096 by default. */
const BACKLOG = 4_096;

const TURNED_AWAY =
  'it closed the connection before its first call: it may not take our USER_TOKEN_TLS_CERT, which its log then tells';

interface Call {
  readonly pattern: string;
  readonly id: string;
}

/**
 * Nest's TCP server for peers who are not trusted: limits who is connected ({@link Connections}), closes a connection at the first
 * message that is no call of the contract, and leaves one line a minute about it.
 *
 * A message without an id, which Nest takes for an event and hands to a handler without an answer, is none; nor is one with
 * the id of a call that is still under way.
 */
export class QuietTcpServer extends ServerTCP {
  private readonly connections: Connections;
  private readonly limit = new LineLimit({ lines: 1, perMs: 60_000 });
  private readonly tlsLimit = new LineLimit({ lines: 5, perMs: 60_000 });

  constructor(
    private readonly quiet: QuietTcpOptions,
    private readonly log: Log,
  ) {
    super({ host: quiet.host, port: quiet.port, ...(quiet.tls && { tlsOptions: quiet.tls }) });
    this.connections = new Connections(quiet.connections, (kind, network) => {
      const more = this.limit.admit(kind);
      if (more)
        this.log.warn(
          { ...more, kind, network },
          'too many connections: one that was idle or new was closed',
        );
    });
    this.server.prependListener('connection', (socket: Socket) => this.connections.arrived(socket));
    // Node reports a handshake that failed, and leaves the connection open.
    this.server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
      const reason = reasonOf(error, socket);
      if (reason !== undefined) this.tellOfTls(reason, socket);
      socket.destroy();
    });
  }

  /** Certificates for connections from now on. */
  renew(material: TlsMaterial): void {
    if (this.server instanceof TlsServer) this.server.setSecureContext(material);
  }

  override listen(callback: (error?: unknown) => void): void {
    const { host, port } = this;
    this.server.once('error', callback);
    this.server.listen({ host, port, backlog: BACKLOG }, () => {
      this.server.off('error', callback);
      callback();
    });
  }

  override close(): void {
    super.close();
    this.connections.closeAll();
  }

  override bindHandler(socket: Socket): void {
    const connection = this.connections.of(socket);
    if (!connection) return void socket.destroy();
    // Its certificate was checked.
    if (this.tlsOptions && !this.connections.heard(connection)) return;
    // Answers come one after the other: the second must not wait until the first is acknowledged (Nagle).
    socket.setNoDelay();
    this.closeWhenIdle(socket);
    this.trackOpenSocket(socket);
    const frames = this.framesOf(socket, connection);
    frames.on('message', (call: Call) => {
      this.handleMessage(frames, call).catch((error: unknown) => this.handleError(error));
    });
  }

  /** The one way to a handler; Nest would also look for one by patterns that only mean the same. */
  override getHandlerByPattern(pattern: string) {
    return this.messageHandlers.get(pattern) ?? null;
  }

  override handleError(error: unknown): void {
    const more = this.limit.admit('error');
    const { name, code } = error as NodeJS.ErrnoException;
    if (more) this.log.warn({ ...more, error: name, code }, 'the TCP listener had an error');
  }

  private framesOf(socket: Socket, connection: Connection): FrameSocket {
    const { calls, network } = connection;
    let silent = true;
    // A client refuses a certificate after the handshake, and tells no more than that it closes the connection.
    if (this.tlsOptions) socket.once('end', () => silent && this.tellOfTls(TURNED_AWAY, socket));
    return new CallSocket(socket, {
      maxChars: this.quiet.maxMessageChars,
      frameTimeoutMs: this.quiet.messageTimeoutMs,
      maxUnreadBytes: this.quiet.maxUnreadBytes,
      onBytes: () => (silent = false),
      accepts: (message) => {
        if (!isCall(message) || calls.has(message.id)) return false;
        calls.add(message.id);
        this.connections.heard(connection);
        return true;
      },
      onAnswered: (id) => calls.delete(id),
      onMalformed: (reason) => {
        const more = this.limit.admit('malformed');
        if (more)
          this.log.warn({ ...more, network, reason }, 'a message was no call; its connection was closed');
      },
    });
  }

  private tellOfTls(reason: string, { remoteAddress }: Socket): void {
    const more = this.tlsLimit.admit(reason);
    const network = remoteAddress === undefined ? undefined : networkOf(remoteAddress);
    if (more) this.log.warn({ ...more, network, reason }, 'a connection was not agreed on');
  }

  private closeWhenIdle(socket: Socket): void {
    socket.setTimeout(this.quiet.idleMs, () => {
      const { bytesRead } = socket;
      // If this process stood still, there may be something to read, which is done after the timers.
      setImmediate(() => {
        if (socket.bytesRead === bytesRead) socket.destroy();
      });
    });
  }
}

/** @returns undefined for those that said nothing, such as a probe of the port */
function reasonOf({ code }: NodeJS.ErrnoException, socket: TLSSocket): string | undefined {
  // What is wrong with a certificate stands there, whatever comes of it; and the name that we were called by, if the client came so far.
  const { authorizationError, servername } = socket as { authorizationError?: unknown; servername?: unknown };
  const reason = explainTlsFailure(authorizationError ?? code);
  return reason ?? (typeof servername === 'string' ? TURNED_AWAY : undefined);
}

interface Answer {
  readonly id: string;
  readonly err?: unknown;
  readonly isDisposed?: boolean;
}

class CallSocket extends FrameSocket {
  constructor(
    socket: Socket,
    private readonly callOptions: ConstructorParameters<typeof FrameSocket>[1] & {
      /** Called with the id of a call that gets no more answers. */
      readonly onAnswered: (id: string) => void;
    },
  ) {
    super(socket, callOptions);
  }

  override sendMessage(answer: Answer): void {
    if (answer.isDisposed || answer.err !== undefined) this.callOptions.onAnswered(answer.id);
    super.sendMessage(answer);
  }
}

function isCall(message: unknown): message is Call {
  if (typeof message !== 'object' || message === null) return false;
  const { pattern, id } = message as Partial<Record<keyof Call, unknown>>;
  return isShort(pattern, MAX_PATTERN_LENGTH) && isShort(id, MAX_CALL_ID_LENGTH);
}

function isShort(text: unknown, maxChars: number): boolean {
  return typeof text === 'string' && text.length > 0 && text.length <= maxChars;
}

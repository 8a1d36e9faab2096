import { isAscii } from 'node:buffer';
import type { Socket } from 'node:net';
import { TcpSocket } from '@nestjs/microservices';

export interface FrameOptions {
  /** Longest message, in characters. */
  readonly maxChars: number;
  /** Time from the first byte of a message to its last. Default 5,000 (5 s). */
  readonly frameTimeoutMs?: number;
  /** Bytes that the peer may leave unread; unread bytes also stop the reading of its messages. Unlimited when absent. */
  readonly maxUnreadBytes?: number;
  /** Whether a message, which can be any JSON, belongs to the contract. */
  readonly accepts: (message: unknown) => boolean;
  /** Called with each piece of bytes, a whole message or not. */
  readonly onBytes?: () => void;
  /** Called before the connection is closed because of bad input; `reason` repeats nothing of it. */
  readonly onMalformed?: (reason: string) => void;
}

const FRAME_TIMEOUT_MS = 5_000;
/** A timer this late means that this process stood still. */
const LATE_MS = 500;
const DELIMITER = '#';
const LENGTH = /^[1-9]\d{0,6}$/;

/**
 * Nest's framing of messages on TCP (`JsonSocket`: the length in UTF-16 units, `#`, JSON), for a peer that may break it: the first
 * bytes that break it end the connection, and a started message must be complete in time.
 */
export class FrameSocket extends TcpSocket {
  private readonly decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  private ascii = true;
  private text = '';
  /** Length of the started message, once known. */
  private length: number | undefined;
  private messages = 0;
  private refused = false;
  private paused = false;
  private timed: { readonly timer: NodeJS.Timeout; readonly message: number } | undefined;

  constructor(
    socket: Socket,
    private readonly options: FrameOptions,
  ) {
    super(socket);
    socket.once('close', () => this.stopTimer());
  }

  protected override handleSend(message: unknown, callback?: (error?: unknown) => void): void {
    const json = JSON.stringify(message);
    const flushed = this.socket.write(json.length + DELIMITER + json, 'utf8', callback);
    const { maxUnreadBytes } = this.options;
    if (maxUnreadBytes === undefined) return;
    if (this.socket.writableLength > maxUnreadBytes) this.socket.destroy();
    else if (!flushed) this.pause();
  }

  protected override handleData(bytes: Buffer): void {
    if (this.refused) return;
    this.options.onBytes?.();
    try {
      // Tokens are ASCII, which needs no decoding; after other characters, a piece may end within a character.
      this.ascii &&= isAscii(bytes);
      this.text += this.ascii ? bytes.toString('latin1') : this.decoder.decode(bytes, { stream: true });
    } catch {
      return this.refuse('it is not UTF-8');
    }
    this.read();
  }

  private read(): void {
    let from = 0;
    while (!this.paused && !this.refused && !this.socket.destroyed) {
      if (this.length === undefined) {
        const end = this.text.indexOf(DELIMITER, from);
        const digits = this.text.slice(from, end === -1 ? undefined : end);
        if (digits === '' && end === -1) break;
        if (!LENGTH.test(digits)) return this.refuse('its length is not a number');
        if (Number(digits) > this.options.maxChars) return this.refuse('it is too long');
        if (end === -1) break;
        this.length = Number(digits);
        from = end + 1;
      }
      if (this.text.length - from < this.length) break;
      const json = this.text.slice(from, (from += this.length));
      this.length = undefined;
      this.messages += 1;
      this.take(json);
    }
    this.text = this.text.slice(from);
    this.limitTime();
  }

  private take(json: string): void {
    let message: unknown;
    try {
      message = JSON.parse(json);
    } catch {
      return this.refuse('it is not JSON');
    }
    if (!this.options.accepts(message)) return this.refuse('it is not of the contract');
    if (!this.socket.destroyed) this.socket.emit('message', message);
  }

  private refuse(reason: string): void {
    this.refused = true;
    this.text = '';
    this.options.onMalformed?.(reason);
    this.socket.destroy();
  }

  /** A peer that does not read its answers is not read either; its unfinished message then waits for us, not for the peer. */
  private pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.stopTimer();
    this.socket.pause();
    this.socket.once('drain', () => {
      this.paused = false;
      this.socket.resume();
      this.read();
    });
  }

  private limitTime(): void {
    const unfinished = this.text !== '' || this.length !== undefined;
    if (!unfinished || this.paused || this.refused || this.socket.destroyed) return this.stopTimer();
    if (this.timed?.message !== this.messages) this.startTimer();
  }

  private startTimer(): void {
    this.stopTimer();
    const message = this.messages;
    const timeoutMs = this.options.frameTimeoutMs ?? FRAME_TIMEOUT_MS;
    const dueMs = performance.now() + timeoutMs;
    const timer = setTimeout(() => {
      // This process may have stood still, and input from that time is read after the timers.
      if (performance.now() - dueMs > LATE_MS) return this.startTimer();
      setImmediate(() => {
        if (this.timed?.message === message) this.refuse('it was not complete in time');
      });
    }, timeoutMs).unref();
    this.timed = { timer, message };
  }

  private stopTimer(): void {
    clearTimeout(this.timed?.timer);
    this.timed = undefined;
  }
}

import { HttpException, HttpStatus, type MessageEvent } from '@nestjs/common';
import type { ServerResponse } from 'node:http';
import { Observable } from 'rxjs';

/** Limits of one process. */
export interface StreamLimits {
  /** Streams that one user may have open. */
  readonly perSubject: number;
  /** Streams of all users. */
  readonly inAll: number;
  /** Interval of comments. Proxies cut idle connections, often after 60 s, and only a write detects a client that is gone. */
  readonly heartbeatMs: number;
  /** Time for a client to read waiting events after the end of its stream. */
  readonly lingerMs: number;
}

export const STREAM_LIMITS: StreamLimits = {
  perSubject: 10,
  inAll: 1_000,
  heartbeatMs: 15_000,
  lingerMs: 2_000,
};

/** Maximum characters of events that wait for a client, for `@Sse()`: a client with more waiting is cut off. */
export const MAX_UNREAD_CHARACTERS = 32_768;

/** A place becomes free when a client leaves, which may be at any time. */
const RETRY_AFTER_SECONDS = 15;

/** The request of a stream. */
export interface StreamRequest {
  readonly subject: string;
  /** Ends the stream: `revoked(request)`. */
  readonly signal: AbortSignal;
  readonly reply: Reply;
}

/** Fastify's. On Express both are the response's: `{ header: (...field) => response.header(...field), raw: response }`. */
export interface Reply {
  header(name: string, value: string): unknown;
  readonly raw: Pick<ServerResponse, 'once' | 'destroy'>;
}

/** The open streams of server-sent events: limited for each user and in all, each with a heartbeat. */
export class EventStreams {
  private readonly openBySubject = new Map<string, number>();
  private open = 0;

  constructor(private readonly limits: StreamLimits = STREAM_LIMITS) {}

  /** Before its first event, it fails with 429 if its user has too many streams, and with 503 if there are too many in all. */
  stream(
    events: Observable<MessageEvent>,
    { subject, signal, reply }: StreamRequest,
  ): Observable<MessageEvent> {
    return new Observable((stream) => {
      if (signal.aborted) return stream.complete();
      const refusal = this.refusalOf(subject);
      if (refusal) {
        reply.header('Retry-After', String(RETRY_AFTER_SECONDS));
        return stream.error(refusal);
      }
      this.count(subject, 1);
      // Not at the write of the last event: a client that reads nothing would keep its connection, uncounted.
      reply.raw.once('close', () => this.count(subject, -1));
      const heartbeat = setInterval(() => stream.next({ comment: '' }), this.limits.heartbeatMs);
      stream.add(() => clearInterval(heartbeat));
      const end = () => {
        stream.complete();
        const cut = setTimeout(() => reply.raw.destroy(), this.limits.lingerMs).unref();
        reply.raw.once('close', () => clearTimeout(cut));
      };
      signal.addEventListener('abort', end, { once: true });
      stream.add(events.subscribe(stream));
    });
  }

  private refusalOf(subject: string): HttpException | undefined {
    const { perSubject, inAll } = this.limits;
    if ((this.openBySubject.get(subject) ?? 0) >= perSubject)
      return new HttpException(
        `This user has ${perSubject} streams open, and may not have more`,
        HttpStatus.TOO_MANY_REQUESTS,
      );
    return this.open < inAll
      ? undefined
      : new HttpException('As many streams are open as may be', HttpStatus.SERVICE_UNAVAILABLE);
  }

  private count(subject: string, change: 1 | -1): void {
    const count = (this.openBySubject.get(subject) ?? 0) + change;
    if (count === 0) this.openBySubject.delete(subject);
    else this.openBySubject.set(subject, count);
    this.open += change;
  }
}

// RFC 9112: requests that Node and Fastify refuse before there is a route.
import { randomUUID } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import { corsHeaders } from './cors.js';
import { isRequestId } from './request-context.js';

/** An error in the application's words. */
export interface WordedError {
  /** `Content-Type`. */
  readonly contentType: string;
  /** Sent as JSON. */
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Words an error in the application's own form; `description` is public. */
export type ErrorWording = (status: number, description: string, requestId: string) => WordedError;

export interface EarlyRefusalsOptions {
  readonly word: ErrorWording;
  /** Origins whose pages may read answers. */
  readonly corsOrigins: readonly string[];
  /** Undefined where requests leave no log line. */
  readonly logger: Logger | undefined;
}

/** Reason of a refusal, for the log: a code of Node or Fastify, never the input. */
export interface EarlyRefusal {
  readonly status: number;
  readonly reason: string;
  /** Default: the connection ends, because the start of the next request is unknown. */
  readonly keepAlive?: boolean;
}

const DESCRIPTIONS: Readonly<Record<number, string>> = {
  400: 'The request is malformed',
  405: 'This method is not allowed here',
  408: 'The request took too long to arrive',
  413: 'The request is too large',
  414: 'The URL is too long',
  417: 'The expectation of the request cannot be met',
  431: 'The header of the request is too large',
};

const STATUS_OF: Readonly<Record<string, number>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
};

/** Time for a client to read its answer, in ms. Without it, further input would reset the connection at once. */
const LINGER_MS = 1_000;

/** The request's own id, or a new one that it carries from now on. */
export function requestIdOf({ headers }: IncomingMessage): string {
  const given = headers['x-request-id'];
  if (isRequestId(given)) return given;
  return (headers['x-request-id'] = randomUUID());
}

/** Answers requests that never reach a filter or a hook, with the same shape, headers and log line as any other refusal. */
export class EarlyRefusals {
  private readonly refused = new WeakSet<object>();

  constructor(private readonly options: EarlyRefusalsOptions) {}

  /** A request that Node could read. */
  refuse(response: ServerResponse, refusal: EarlyRefusal): void {
    const { method, requestId } = { method: response.req.method, requestId: requestIdOf(response.req) };
    this.answer(response, requestId, refusal);
    this.log({ method, requestId, ...refusal });
  }

  /** CONNECT, which Node passes on together with its connection. */
  refuseTunnel(request: IncomingMessage, socket: Socket): void {
    socket.on('error', () => undefined);
    const refusal = { status: 405, reason: 'CONNECT' };
    const requestId = requestIdOf(request);
    // RFC 9110 section 15.5.6: a 405 lists the methods of the target. It has none.
    this.answerOn(socket, requestId, refusal, { allow: '' });
    this.log({ method: 'CONNECT', requestId, ...refusal });
  }

  /** Input that Node's parser rejected, or that did not arrive in time: a server's `clientError`. */
  refuseUnread(error: Error & { readonly code?: string }, socket: Socket): void {
    // The parser reports all further input again.
    if (this.refused.has(socket)) return;
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const reason = error.code ?? error.name;
    const refusal = { status: STATUS_OF[reason] ?? 400, reason };
    const { _httpMessage: answering, parser } = socket as SocketOfNode;
    if (!answering && parser?.incoming?.complete === false) {
      // It was answered and logged before it was complete.
      socket.destroy();
    } else if (!answering) {
      this.refused.add(socket);
      const requestId = randomUUID();
      this.answerOn(socket, requestId, refusal);
      this.log({ method: undefined, requestId, ...refusal });
    } else if (!answering.req.complete && !answering.headersSent) {
      this.refused.add(socket);
      // Fastify knows this request, and logs its answer.
      this.answer(answering, requestIdOf(answering.req), refusal);
    } else {
      // The current answer belongs to the previous request.
      this.refused.add(socket);
      answering.once('close', () => {
        this.refused.delete(socket);
        this.refuseUnread(error, socket);
      });
    }
  }

  private answer(
    response: ServerResponse,
    requestId: string,
    { status, keepAlive = false }: EarlyRefusal,
  ): void {
    const { headers, body } = this.worded(status, requestId);
    const cors = corsHeaders(response.req.headers.origin, this.options.corsOrigins);
    response.writeHead(status, { ...headers, ...cors, ...(!keepAlive && { connection: 'close' }) }).end(body);
  }

  private answerOn(socket: Socket, requestId: string, { status }: EarlyRefusal, more = {}): void {
    const { headers, body } = this.worded(status, requestId);
    const lines = Object.entries({
      ...headers,
      ...more,
      date: new Date().toUTCString(),
      connection: 'close',
    });
    const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines.map((line) => line.join(': '))];
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
    socket.pause();
    const linger = setTimeout(() => socket.destroy(), LINGER_MS);
    socket.once('close', () => clearTimeout(linger));
  }

  private worded(status: number, requestId: string) {
    const worded = this.options.word(status, DESCRIPTIONS[status] ?? 'The request is refused', requestId);
    const body = JSON.stringify(worded.body);
    const headers = {
      ...frameHeaders(requestId),
      'content-type': worded.contentType,
      'content-length': String(Buffer.byteLength(body)),
      ...worded.headers,
    };
    return { headers, body };
  }

  private log({ method = '(none)', requestId, status, reason }: EarlyRefusal & LoggedRequest): void {
    const route = '(none)';
    this.options.logger?.info({ method, route, status, reason, requestId }, `${method} ${route} ${status}`);
  }
}

/** Node's own default handler also reads this: there is no other way to find the current answer on a connection. */
interface SocketOfNode extends Socket {
  readonly _httpMessage?: ServerResponse | null;
  readonly parser?: { readonly incoming: IncomingMessage | null } | null;
}

interface LoggedRequest {
  readonly method: string | undefined;
  readonly requestId: string;
}

/** Headers of every answer. Answers depend on the caller; a cacheable route sets its own headers. */
export function frameHeaders(requestId: string): Record<string, string> {
  return { 'x-request-id': requestId, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' };
}

import { createServer, type RequestListener, type Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Type, DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyInstance, FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { AccessLog, type AccessLogMode } from '../logs/access-log.js';
import { corsOptions } from './cors.js';
import { EarlyRefusals, frameHeaders, requestIdOf, type ErrorWording } from './early-refusals.js';
import { forwardedForReader, type ForwardedForReader } from './forwarded-for.js';
import { NestLogger } from '../logs/nest-logger.js';
import { wordProblem } from './problem.filter.js';
import { ignoreMalformedType, readBodiesOnDemand } from './request-body.js';

export interface HttpApplicationOptions {
  readonly logger: Logger;
  /**
   * Number of our own proxies in front. The client's address is the entry of the outermost one in `X-Forwarded-For`;
   * with 0, the default, it is the socket's, and no header can change it.
   */
  readonly trustedProxyHops?: number;
  /** Longest request body, in bytes; for a form after decoding. Default 16,384 (16 KiB). */
  readonly bodyLimitBytes?: number;
  /** Origins whose pages may read answers, as browsers send them. Default none: only the service's own origin. */
  readonly corsOrigins?: readonly string[];
  /** Requests that leave a log line. Default `all`, except for routes that opt out. */
  readonly accessLog?: AccessLogMode | undefined;
  /** Words errors before there is a route, and so a filter. Default: problem details. */
  readonly word?: ErrorWording;
  readonly arrival?: Partial<ArrivalLimits>;
}

/** Time for a client to send a request. A late request gets 408, and its connection is closed. */
export interface ArrivalLimits {
  /** From the first byte, or from the opening of the connection, to the end of the header. Default 10,000 (10 s). */
  readonly headersTimeoutMs: number;
  /** From the first byte to the end of the body. Default 30,000 (30 s). */
  readonly requestTimeoutMs: number;
  /** Interval of the checks, and so the precision of both limits. Default 1,000 (1 s). */
  readonly checkEveryMs: number;
}

const ARRIVAL: ArrivalLimits = { headersTimeoutMs: 10_000, requestTimeoutMs: 30_000, checkEveryMs: 1_000 };
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const CLOSE_IDLE_EVERY_MS = 25;

/**
 * A Nest application on Fastify with the common frame of our HTTP services: request ids, access log, limits, time-outs,
 * JSON bodies (`request.body`), refused only where a route reads them, CORS.
 */
export async function createHttpApplication(
  module: Type | DynamicModule,
  {
    logger,
    trustedProxyHops = 0,
    bodyLimitBytes = 16_384,
    corsOrigins = [],
    accessLog: accessLogMode = 'all',
    word = wordProblem,
    arrival,
  }: HttpApplicationOptions,
): Promise<NestFastifyApplication> {
  const accessLog = AccessLog.open(logger, accessLogMode);
  const refusals = new EarlyRefusals({ word, corsOrigins, logger: accessLog && logger });
  const readForwardedFor = forwardedForReader(trustedProxyHops, logger);
  const adapter = new FastifyAdapter({
    bodyLimit: bodyLimitBytes,
    trustProxy: trustedProxyHops === 0 ? false : (_address: string, hop: number) => hop < trustedProxyHops,
    genReqId: requestIdOf,
    // A request accepted before the listener closed is answered, not refused.
    return503OnClosing: false,
    serverFactory: (handle: RequestListener) =>
      listener(handle, { refusals, readForwardedFor, limits: { ...ARRIVAL, ...arrival } }),
    clientErrorHandler: (error, socket) => refusals.refuseUnread(error, socket),
    frameworkErrors: ({ statusCode = 400, code }: FastifyError, _request: unknown, reply: FastifyReply) =>
      refusals.refuse(reply.raw, { status: statusCode, reason: code, keepAlive: true }),
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: new NestLogger(logger),
    abortOnError: false,
    bodyParser: false,
  });
  const fastify = app.getHttpAdapter().getInstance();
  // Before Nest's own hooks, one of which answers preflights.
  adapter.setOnRequestHook((request, reply, done) => {
    reply.headers(frameHeaders(request.id));
    ignoreMalformedType(request);
    done();
  });
  readBodiesOnDemand(fastify);
  if (corsOrigins.length > 0) app.enableCors(corsOptions(corsOrigins));
  closeConnectionsOnceIdle(fastify);
  if (accessLog) {
    fastify.addHook('onResponse', (request, reply, done) => {
      accessLog.answered(request, reply);
      done();
    });
  }
  return app;
}

/**
 * Closing a server closes its idle connections; a busy one would be kept alive after its answer, and its client could delay the
 * stop without limit.
 */
function closeConnectionsOnceIdle(fastify: FastifyInstance): void {
  let closing: NodeJS.Timeout | undefined;
  fastify.addHook('preClose', (done) => {
    closing = setInterval(() => fastify.server.closeIdleConnections(), CLOSE_IDLE_EVERY_MS);
    done();
  });
  fastify.addHook('onClose', (_instance, done) => {
    clearInterval(closing);
    done();
  });
}

interface Door {
  readonly refusals: EarlyRefusals;
  readonly readForwardedFor: ForwardedForReader;
  readonly limits: ArrivalLimits;
}

/** Lets the application word the answer to each request that Node would answer by itself. */
function listener(handle: RequestListener, { refusals, readForwardedFor, limits }: Door): Server {
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      connectionsCheckingInterval: limits.checkEveryMs,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
      requireHostHeader: false,
    },
    (request, response) => {
      // RFC 9112 section 3.2. HTTP/1.0 has no Host.
      if (request.headers.host === undefined && request.httpVersion === '1.1')
        return refusals.refuse(response, { status: 400, reason: 'NO_HOST' });
      readForwardedFor(request);
      handle(request, response);
    },
  );
  server.on('checkExpectation', (_request, response) =>
    refusals.refuse(response, { status: 417, reason: 'EXPECT' }),
  );
  server.on('connect', (request, socket) => refusals.refuseTunnel(request, socket as Socket));
  return server;
}

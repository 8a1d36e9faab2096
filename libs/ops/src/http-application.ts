import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Type, DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { NestLogger } from './nest-logger.js';

export interface HttpApplicationOptions {
  readonly logger: Logger;
  /**
   * How many proxies of our own stand in front. The client's address is what the outermost of them saw; with 0, the
   * default, it is the socket's, and no header can change it.
   */
  readonly trustedProxyHops?: number;
  /** Longest request body, in bytes. Default 16,384 (16 KiB). */
  readonly bodyLimitBytes?: number;
  /** Whether each request leaves a log line. Default true. */
  readonly accessLog?: boolean;
}

const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 65_000;
const CLOSE_IDLE_EVERY_MS = 25;

/** A Nest application on Fastify with the frame that every HTTP service here has: request ids, access log, limits, time-outs. */
export async function createHttpApplication(
  module: Type | DynamicModule,
  { logger, trustedProxyHops = 0, bodyLimitBytes = 16_384, accessLog = true }: HttpApplicationOptions,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: bodyLimitBytes,
    trustProxy: trustedProxyHops === 0 ? false : (_address: string, hop: number) => hop < trustedProxyHops,
    genReqId: requestIdOf,
    // A request that got through before the listener closed is answered, not turned away.
    return503OnClosing: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    http: { headersTimeout: HEADERS_TIMEOUT_MS },
  });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  const fastify = app.getHttpAdapter().getInstance();
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    reply.header('x-content-type-options', 'nosniff');
    // What is answered here depends on who asks; a route that may be cached says so itself.
    reply.header('cache-control', 'no-store');
    done();
  });
  closeConnectionsOnceIdle(fastify);
  if (accessLog && logger.isLevelEnabled('info')) {
    fastify.addHook('onResponse', (request, reply, done) => {
      // The pattern and not the URL: a query can hold what must not be logged.
      const { method, id: requestId } = request;
      const fields = {
        method,
        route: request.routeOptions.url ?? '(none)',
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime * 10) / 10,
        requestId,
      };
      logger.info(fields, `${method} ${fields.route} ${fields.status}`);
      done();
    });
  }
  return app;
}

/**
 * Closing a server closes the connections that are idle at that moment; one that was busy would be kept alive after its
 * answer, and hold up the stop for as long as its client likes.
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

function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

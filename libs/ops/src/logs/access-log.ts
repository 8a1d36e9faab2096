import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { AccessFields } from './access-line.js';
import { accessWriterOf } from './log-lines.js';

/** Requests that leave a line: all, those answered 400 or more, or none. */
export type AccessLogMode = 'all' | 'refused' | 'off';

/** `config` for a route of Fastify's own. */
export const NO_ACCESS_LOG = { accessLog: 'refused' } as const;

/** Marks a frequent or unimportant route: only refusals and failures (400 and more) leave a line. */
export function NoAccessLog(): MethodDecorator {
  return RouteConfig(NO_ACCESS_LOG);
}

/** Writes the line of an answered request. */
export class AccessLog {
  private readonly write: (fields: AccessFields) => void;

  private constructor(
    logger: Logger,
    private readonly mode: AccessLogMode,
  ) {
    this.write = accessWriterOf(logger);
  }

  /** @returns undefined if no request leaves a line */
  static open(logger: Logger, mode: AccessLogMode): AccessLog | undefined {
    return mode === 'off' || !logger.isLevelEnabled('info') ? undefined : new AccessLog(logger, mode);
  }

  answered(request: FastifyRequest, reply: FastifyReply): void {
    const { statusCode: status } = reply;
    if (status < 400 && this.mode === 'refused') return;
    const { url: route = '(none)', config } = request.routeOptions;
    if (status < 400 && (config as Partial<typeof NO_ACCESS_LOG>).accessLog === 'refused') return;
    const durationMs = Math.round(reply.elapsedTime * 10) / 10;
    this.write({ method: request.method, route, status, durationMs, requestId: request.id });
  }
}

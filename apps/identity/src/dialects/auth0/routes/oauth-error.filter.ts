import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { statusOf, type Logger, type WordedError } from '@app/ops';
import type { FastifyReply } from 'fastify';

/** Fixed texts, because Fastify's own quote the body, and so passwords. */
const descriptions: Readonly<Record<number, string>> = {
  400: 'The body could not be read.',
  413: 'The body is too large.',
  415: 'The body must be application/x-www-form-urlencoded or application/json.',
};

const headers = { 'cache-control': 'no-store', pragma: 'no-cache' };

/** For a request that no filter sees. */
export function wordOAuthError(_status: number, description: string): WordedError {
  const body = { error: 'invalid_request', error_description: `${description}.` };
  return { contentType: 'application/json; charset=utf-8', body, headers };
}

/** Answers errors before or in a handler as OAuth 2.0 errors (RFC 6749 section 5.2). */
@Catch()
export class OAuthErrorFilter implements ExceptionFilter {
  constructor(private readonly logger: Logger) {}

  catch(exception: unknown, host: ArgumentsHost): void {
    const status = statusOf(exception);
    if (status >= 500) this.logger.error({ err: exception }, 'a request failed');
    const body =
      status >= 500
        ? { error: 'server_error', error_description: 'The request could not be handled.' }
        : {
            error: 'invalid_request',
            error_description: descriptions[status] ?? 'The request is not valid.',
          };
    void host.switchToHttp().getResponse<FastifyReply>().code(status).headers(headers).send(body);
  }
}

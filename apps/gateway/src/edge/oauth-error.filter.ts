import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import { BearerRefusal } from '@app/auth';
import { RequestFailures, statusOf, type Logger, type WordedError } from '@app/ops';
import { StoreUnavailable } from '@app/store';
import { UserTokenUnavailable } from '@app/user-token-client';
import { OAuthError, type OAuthErrorHeaders } from './oauth-error.js';

interface Answer extends OAuthErrorHeaders {
  readonly status: number;
  readonly body: { readonly error?: string; readonly error_description: string };
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** For a request that no filter sees. */
export function wordOAuthError(status: number, description: string): WordedError {
  const { body } = plain(status, 'invalid_request', description);
  return { contentType: JSON_TYPE, body, headers: { pragma: 'no-cache' } };
}

/** Answers every exception in the form of RFC 6749 section 5.2: `{ error, error_description }`. */
@Catch()
export class OAuthErrorFilter implements ExceptionFilter {
  private readonly failures: RequestFailures;

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    logger: Logger,
  ) {
    this.failures = new RequestFailures(logger);
  }

  catch(exception: unknown, host: ArgumentsHost): void {
    const { httpAdapter } = this.adapterHost;
    const http = host.switchToHttp();
    const answer = answerTo(exception);
    this.failures.tell(exception, answer.status, http.getRequest<{ id?: unknown }>().id);
    const response = http.getResponse<object>();
    httpAdapter.setHeader(response, 'Content-Type', JSON_TYPE);
    // Replaces the header that a route sets for its good answers.
    httpAdapter.setHeader(response, 'Cache-Control', 'no-store');
    httpAdapter.setHeader(response, 'Pragma', 'no-cache');
    if (answer.challenge) httpAdapter.setHeader(response, 'WWW-Authenticate', answer.challenge);
    if (answer.allow) httpAdapter.setHeader(response, 'Allow', answer.allow);
    if (answer.retryAfterSeconds)
      httpAdapter.setHeader(response, 'Retry-After', String(answer.retryAfterSeconds));
    httpAdapter.reply(response, answer.body, answer.status);
  }
}

function answerTo(exception: unknown): Answer {
  if (exception instanceof UserTokenUnavailable) {
    const { retryAfterSeconds } = exception;
    return {
      ...plain(503, 'temporarily_unavailable', 'The service cannot answer at the moment'),
      retryAfterSeconds,
    };
  }
  if (exception instanceof StoreUnavailable) {
    const unavailable = plain(503, 'temporarily_unavailable', 'The service cannot answer at the moment');
    return { ...unavailable, retryAfterSeconds: 1 };
  }
  if (exception instanceof OAuthError) {
    return {
      status: exception.getStatus(),
      body: exception.getResponse() as Answer['body'],
      ...exception.headers,
    };
  }
  if (exception instanceof BearerRefusal) {
    const body = exception.getResponse() as Answer['body'];
    return { status: exception.getStatus(), body, challenge: exception.challenge };
  }
  const status = statusOf(exception);
  if (status === 404) return plain(status, 'not_found', 'There is nothing here');
  if (status === 503) return { status, body: (exception as HttpException).getResponse() as Answer['body'] };
  if (status >= 500) return plain(status, 'server_error', 'The request failed');
  return plain(status, 'invalid_request', describeInput(exception));
}

function plain(status: number, error: string, description: string): Answer {
  return { status, body: { error, error_description: description } };
}

/** Names the wrong fields; messages of a parser are not passed on, because they repeat the input. */
function describeInput(exception: unknown): string {
  const body: unknown = exception instanceof HttpException ? exception.getResponse() : undefined;
  const errors = (body as { errors?: { path: string; message: string }[] } | undefined)?.errors;
  if (!Array.isArray(errors)) return 'The request is malformed';
  return `The request is malformed: ${errors.map(({ path, message }) => `${path || 'body'}: ${message}`).join('; ')}`;
}

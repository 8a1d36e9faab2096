// RFC 9457: problem details for HTTP APIs.
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import type { Logger } from 'pino';
import { STATUS_CODES } from 'node:http';
import type { WordedError } from './early-refusals.js';
import { RequestFailures } from './request-failures.js';

const PROBLEM_JSON = 'application/problem+json; charset=utf-8';

/** Nest's message if there is no route. It repeats the URL. */
const NO_ROUTE = /^Cannot [A-Z-]+ /;

/** Body of an error response, `application/problem+json`. */
export interface ProblemDetails {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  /** OAuth error code where there is one, e.g. `invalid_token`. */
  readonly error?: string;
  /** The wrong fields of the input, and their faults. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
  readonly request_id?: string;
}

/** For a request that no filter sees. */
export function wordProblem(status: number, detail: string, requestId: string): WordedError {
  const problem: ProblemDetails = {
    type: 'about:blank',
    title: STATUS_CODES[status] ?? 'Error',
    status,
    detail,
    request_id: requestId,
  };
  return { contentType: PROBLEM_JSON, body: problem };
}

/** Answers every exception of an HTTP application with problem details; earlier headers are kept. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
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
    const { id } = http.getRequest<{ id?: unknown }>();
    const problem = { ...problemOf(exception), ...(typeof id === 'string' && { request_id: id }) };
    this.failures.tell(exception, problem.status, problem.request_id);
    const response = http.getResponse<object>();
    httpAdapter.setHeader(response, 'Content-Type', PROBLEM_JSON);
    httpAdapter.reply(response, problem, problem.status);
  }
}

function problemOf(exception: unknown): ProblemDetails {
  const status = statusOf(exception);
  const base = { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status } as const;
  if (!(exception instanceof HttpException)) return base;
  const body = exception.getResponse();
  if (typeof body === 'string') return { ...base, detail: body };
  const { error, error_description: description, message, errors } = body as Record<string, unknown>;
  const said = description ?? message;
  const detail = status === 404 && NO_ROUTE.test(String(said)) ? 'There is nothing here' : said;
  return {
    ...base,
    ...(typeof detail === 'string' && { detail }),
    ...(typeof error === 'string' && description !== undefined && { error }),
    ...(Array.isArray(errors) && { errors: errors as ProblemDetails['errors'] & object }),
  };
}

/** Fastify's own errors repeat the input in their message: only their status is used. */
export function statusOf(exception: unknown): number {
  if (exception instanceof HttpException) return exception.getStatus();
  const status = (exception as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}

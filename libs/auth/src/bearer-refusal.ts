import { HttpException, HttpStatus } from '@nestjs/common';
import type { BearerError } from './bearer-challenge.js';

/** Text for every unacceptable token, from RFC 6750 section 3.1: which of the reasons it was is nobody's business but the log's. */
export const INVALID_TOKEN_DESCRIPTION =
  'The access token provided is expired, revoked, malformed, or invalid for other reasons';

const STATUS = {
  invalid_request: HttpStatus.BAD_REQUEST,
  invalid_token: HttpStatus.UNAUTHORIZED,
  insufficient_scope: HttpStatus.FORBIDDEN,
} as const satisfies Record<BearerError, HttpStatus>;

/** 400, 401 or 403 with an OAuth error body; the guard has set `WWW-Authenticate` when it throws this. */
export class BearerRefusal extends HttpException {
  constructor(
    error: BearerError | undefined,
    description: string,
    readonly challenge: string,
  ) {
    super(
      { ...(error && { error }), error_description: description },
      error ? STATUS[error] : HttpStatus.UNAUTHORIZED,
      { description },
    );
  }
}

/** 503: whether the token is good could not be found out. Not a refusal, so no challenge; `Retry-After` is set. */
export class VerdictUnavailable extends HttpException {
  constructor(
    readonly retryAfterSeconds: number,
    cause: unknown,
  ) {
    super(
      {
        error: 'temporarily_unavailable',
        error_description: 'Access tokens cannot be checked at the moment; try again later',
      },
      HttpStatus.SERVICE_UNAVAILABLE,
      { cause },
    );
  }
}

import { HttpException, HttpStatus } from '@nestjs/common';
import { bearerChallenge, type BearerError } from './bearer-challenge.js';

/** Text for every unacceptable token, from RFC 6750 section 3.1. Only the log says which of the reasons it was. */
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
      error ? { error, error_description: description } : { error_description: description },
      error ? STATUS[error] : HttpStatus.UNAUTHORIZED,
    );
  }

  /** The name that Nest would compute, which takes as long as all the rest. */
  override initMessage(): void {
    this.message = 'Bearer Refusal';
  }
}

/**
 * The refusals of one protection space. Each request gets its own, because filters change them and error reporters mark them.
 * They have no stack trace: it would cost more than the rest of a refusal, and has no reader.
 */
export class BearerRefusals {
  private readonly missing: string;
  private readonly invalid: string;

  constructor(private readonly realm: string) {
    this.missing = bearerChallenge({ realm });
    this.invalid = bearerChallenge({ realm, error: 'invalid_token', description: INVALID_TOKEN_DESCRIPTION });
  }

  tokenMissing(): BearerRefusal {
    return newRefusal(undefined, 'An access token is required', this.missing);
  }

  tokenInvalid(): BearerRefusal {
    return newRefusal('invalid_token', INVALID_TOKEN_DESCRIPTION, this.invalid);
  }

  invalidRequest(description: string): BearerRefusal {
    const error = 'invalid_request';
    return newRefusal(error, description, bearerChallenge({ realm: this.realm, error, description }));
  }

  insufficientScope(scope: readonly string[]): BearerRefusal {
    const [error, description] = [
      'insufficient_scope',
      'The access token does not carry what this request needs',
    ] as const;
    return newRefusal(error, description, bearerChallenge({ realm: this.realm, error, description, scope }));
  }
}

function newRefusal(error: BearerError | undefined, description: string, challenge: string): BearerRefusal {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return new BearerRefusal(error, description, challenge);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** 503: no verdict about the token could be reached. Not a refusal, so no challenge; `Retry-After` is set. */
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

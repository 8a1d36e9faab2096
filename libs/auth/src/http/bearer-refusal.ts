import { HttpException, HttpStatus } from '@nestjs/common';
import type { BearerError, Refusal } from '../tokens/refusal.js';
import { bearerChallenge } from './bearer-challenge.js';

const STATUS = {
  invalid_request: HttpStatus.BAD_REQUEST,
  invalid_token: HttpStatus.UNAUTHORIZED,
  insufficient_scope: HttpStatus.FORBIDDEN,
} as const satisfies Record<BearerError, HttpStatus>;

/** A refusal in HTTP: 400, 401 or 403 with an OAuth error body. The guard has set `WWW-Authenticate` when it throws this. */
export class BearerRefusal extends HttpException {
  /** The value of `WWW-Authenticate`. */
  readonly challenge: string;

  /** @param realm protection space named in the challenge */
  constructor(refusal: Refusal, realm: string) {
    const { error, description } = refusal;
    super(
      error ? { error, error_description: description } : { error_description: description },
      error ? STATUS[error] : HttpStatus.UNAUTHORIZED,
    );
    this.challenge = challengeOf(refusal, realm);
  }

  /** The name that Nest would compute, which takes as long as all the rest. */
  override initMessage(): void {
    this.message = 'Bearer Refusal';
  }
}

/** Most refusals are the same few objects, and a process has one realm. */
const challenges = new WeakMap<Refusal, { readonly realm: string; readonly challenge: string }>();

function challengeOf(refusal: Refusal, realm: string): string {
  const known = challenges.get(refusal);
  if (known?.realm === realm) return known.challenge;
  const challenge = bearerChallenge({ realm, ...refusal });
  challenges.set(refusal, { realm, challenge });
  return challenge;
}

/** 503: no verdict about the token. Not a refusal, so no challenge; the guard has set `Retry-After`. */
export class VerdictUnavailable extends HttpException {
  /** @param retryAfterSeconds seconds, as user-token asks for; 1 where the failure names none */
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

/**
 * Words a refusal. Each request gets its own exception, because filters change them and error reporters mark them. It has no
 * stack trace: it would cost more than the rest, and has no reader.
 */
export function bearerRefusal(refusal: Refusal, realm: string): BearerRefusal {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return new BearerRefusal(refusal, realm);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

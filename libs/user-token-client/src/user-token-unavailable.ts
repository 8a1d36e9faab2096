import type { Failure } from '@app/contract';

/**
 * - `unreachable`: no replica took the call;
 * - `timeout`: no answer within the deadline;
 * - `protocol`: the answer was not of the contract;
 * - otherwise the code from user-token itself ({@link Failure}).
 */
export type UnavailableCode = 'unreachable' | 'timeout' | 'protocol' | Failure['code'];

/** No verdict was reached. Never to be answered with a 401: see DESIGN, "Verdicts are values". */
export class UserTokenUnavailable extends Error {
  constructor(
    readonly code: UnavailableCode,
    message: string,
    options?: { cause?: unknown; retryAfterSeconds?: number | undefined },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'UserTokenUnavailable';
    this.retryAfterSeconds = options?.retryAfterSeconds ?? 1;
  }

  /** When to try again, for `Retry-After` (RFC 9110 section 10.2.3). */
  readonly retryAfterSeconds: number;
}

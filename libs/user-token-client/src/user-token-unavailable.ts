import type { Failure } from '@app/contract';

/**
 * - `unreachable`: no replica took the call;
 * - `timeout`: no answer within the deadline;
 * - `protocol`: the answer was not of the contract;
 * - otherwise the code from user-token itself ({@link Failure}).
 */
export type UnavailableCode = 'unreachable' | 'timeout' | 'protocol' | Failure['code'];

export interface UnavailableDetails {
  readonly cause?: unknown;
  /** Default 1. */
  readonly retryAfterSeconds?: number | undefined;
  /** Default true. */
  readonly sent?: boolean;
  /** Default false. */
  readonly silent?: boolean;
}

/** No verdict was reached. Never to be answered with a 401: see DESIGN, "Verdicts are values". */
export class UserTokenUnavailable extends Error {
  /** When to try again, for `Retry-After` (RFC 9110 section 10.2.3). */
  readonly retryAfterSeconds: number;
  /** Whether the last attempt may have reached user-token. If not, any call can go to another replica. */
  readonly sent: boolean;
  /** Whether the process was completely silent. A process that answers pings is at worst slow, and keeps its callers. */
  readonly silent: boolean;

  constructor(
    readonly code: UnavailableCode,
    message: string,
    { cause, retryAfterSeconds = 1, sent = true, silent = false }: UnavailableDetails = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'UserTokenUnavailable';
    this.retryAfterSeconds = retryAfterSeconds;
    this.sent = sent;
    this.silent = silent;
  }
}

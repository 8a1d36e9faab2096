import type { Logger } from 'pino';
import { LineLimit } from '../logs/line-limit.js';

/** Logs requests that failed through no fault of the caller. */
export class RequestFailures {
  private readonly unavailable = new LineLimit();

  constructor(private readonly logger: Logger) {}

  /** @param status of the answer; those below 500 are not logged */
  tell(exception: unknown, status: number, requestId: unknown): void {
    if (status < 500) return;
    // Any client can cause these without limit, by sending unknown tokens.
    const more = status === 503 ? this.unavailable.admit(reasonOf(exception)) : {};
    if (more) this.logger.error({ err: exception, requestId, ...more }, 'a request failed');
  }
}

/** Different reasons often have the same answer. */
function reasonOf(exception: unknown): string {
  return String((exception as Error | undefined)?.cause ?? exception);
}

import type { Logger } from 'pino';
import { LineLimit } from './line-limit.js';

/** Tells the log of requests that failed for reasons that are not the caller's. */
export class RequestFailures {
  private readonly unavailable = new LineLimit();

  constructor(private readonly logger: Logger) {}

  /** @param status of the answer; nothing is told of those below 500 */
  tell(exception: unknown, status: number, requestId: unknown): void {
    if (status < 500) return;
    // Whoever sends tokens that nobody knows can bring these about, as often as he likes.
    const more = status === 503 ? this.unavailable.admit(reasonOf(exception)) : {};
    if (more) this.logger.error({ err: exception, requestId, ...more }, 'a request failed');
  }
}

/** What is answered is often the same, whatever the reason. */
function reasonOf(exception: unknown): string {
  return String((exception as Error | undefined)?.cause ?? exception);
}

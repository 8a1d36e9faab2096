import type { Observable } from 'rxjs';
import {
  MAX_VERIFICATIONS,
  tokenHash,
  verifyReplySchema,
  type RequestOf,
  type VerifyAnswer,
  isB64Token,
} from '@app/contract';
import { UserTokenUnavailable } from './user-token-unavailable.js';

interface Caller {
  readonly accessToken: string;
  resolve(verdict: unknown): void;
  reject(failure: UserTokenUnavailable): void;
}

interface Batch {
  readonly deadlineMs: number;
  readonly requests: RequestOf<'verify'>[];
  /** By the index of the request; removed once answered. */
  readonly callers: Map<number, Caller>;
  chars: number;
}

/**
 * Sends the requests of one message, with this many characters as JSON.
 *
 * @returns replies ({@link verifyReplySchema}), each as soon as there is one; fails with {@link UserTokenUnavailable}
 */
export type SendBatch = (
  requests: readonly RequestOf<'verify'>[],
  chars: number,
  timeoutMs: number,
) => Observable<unknown>;

/** Time that a request gives up when it joins others. */
const DEADLINE_STEP_MS = 50;
const SEPARATOR_CHARS = 1;
const FIELDS_CHARS = '{"accessToken":"","requestId":""}'.length;
/** Of one character, at the most: `\\u0000`. */
const ESCAPED_CHARS = 6;

/**
 * Verifications of one turn of the event loop go out as one message, which costs both sides little more than a single one. Each is
 * answered as soon as its own verdict is reached.
 */
export class VerifyBatches {
  private open: Batch | undefined;

  constructor(
    private readonly send: SendBatch,
    /** Longest message, in characters of JSON. */
    private readonly maxChars: number,
    /** Called when an answer names another token than the one that was asked about. */
    private readonly onMixUp: () => void,
  ) {}

  /**
   * @returns the verdict as received
   * @throws {UserTokenUnavailable} when there was none
   */
  verify(request: RequestOf<'verify'>, timeoutMs: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const chars = charsOf(request) + SEPARATOR_CHARS;
      const batch = this.batchFor(chars, performance.now() + timeoutMs);
      batch.callers.set(batch.requests.length, { accessToken: request.accessToken, resolve, reject });
      batch.requests.push(request);
      batch.chars += chars;
    });
  }

  private batchFor(chars: number, latestMs: number): Batch {
    const deadlineMs = latestMs - (latestMs % DEADLINE_STEP_MS);
    const { open } = this;
    const fits =
      open?.deadlineMs === deadlineMs &&
      open.chars + chars <= this.maxChars &&
      open.requests.length < MAX_VERIFICATIONS;
    if (open && fits) return open;
    const batch: Batch = { deadlineMs, requests: [], callers: new Map(), chars: 0 };
    setImmediate(() => this.flush(batch));
    this.open = batch;
    return batch;
  }

  private flush(batch: Batch): void {
    if (this.open === batch) this.open = undefined;
    const { requests, chars, callers } = batch;
    this.send(requests, chars, Math.max(1, batch.deadlineMs - performance.now())).subscribe({
      next: (message) => this.take(message, callers),
      error: (failure: UserTokenUnavailable) => rejectAll(callers, failure),
      complete: () => rejectUnanswered(callers),
    });
  }

  private take(message: unknown, callers: Map<number, Caller>): void {
    const reply = verifyReplySchema.safeParse(message);
    if (!reply.success) return rejectUnanswered(callers);
    for (const answer of reply.data.answers) {
      const caller = callers.get(answer.index);
      callers.delete(answer.index);
      if (caller) this.settle(caller, answer);
    }
  }

  private settle(caller: Caller, answer: VerifyAnswer): void {
    if (answer.tokenHash !== tokenHash(caller.accessToken)) {
      this.onMixUp();
      return caller.reject(notOfContract('a verdict is about another token'));
    }
    if (!answer.failure) return caller.resolve(answer.verdict);
    const { code, message, retryAfterSeconds } = answer.failure;
    caller.reject(new UserTokenUnavailable(code, message, { retryAfterSeconds }));
  }
}

/** As JSON, or some more. */
function charsOf(request: RequestOf<'verify'>): number {
  const { accessToken, requestId = '' } = request;
  // What every token is that could be good needs no escapes.
  if (!isB64Token(accessToken)) return JSON.stringify(request).length;
  return accessToken.length + FIELDS_CHARS + ESCAPED_CHARS * requestId.length;
}

function rejectUnanswered(callers: Map<number, Caller>): void {
  if (callers.size > 0) rejectAll(callers, notOfContract('a verdict is missing'));
}

function rejectAll(callers: Map<number, Caller>, failure: UserTokenUnavailable): void {
  for (const caller of callers.values()) caller.reject(failure);
  callers.clear();
}

function notOfContract(what: string): UserTokenUnavailable {
  return new UserTokenUnavailable('protocol', `user-token's reply is not of the contract: ${what}`);
}

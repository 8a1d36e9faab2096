import type { ExecutionContext } from '@nestjs/common';
import type { HttpAdapterHost } from '@nestjs/core';
import { MAX_REQUEST_ID_LENGTH, type Principal, type RefusalLog } from '@app/contract';
import type { UserTokenUnavailable } from '@app/user-token-client';
import type { Refusal } from '../tokens/refusal.js';
import { bearerRefusal, VerdictUnavailable } from './bearer-refusal.js';

/** The guard's answers in HTTP: the exception, which the application's filter words, and the header field that belongs to it. */
export class HttpAnswers {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly realm: string,
    private readonly refusalLog: RefusalLog,
  ) {}

  /**
   * A rejection, because a throw inside the guard, where V8 has inlined much and has to work out the place, takes longer than all
   * the rest.
   *
   * @param token for the log, or its principal; undefined where there is none, or it was logged before
   */
  refuse(context: ExecutionContext, refusal: Refusal, token?: string | Principal): Promise<never> {
    const { reason, detail } = refusal;
    if (reason !== undefined)
      this.refusalLog.refused(reason, token, { requestId: requestIdOf(context), detail });
    const exception = bearerRefusal(refusal, this.realm);
    this.setHeader(context, 'WWW-Authenticate', exception.challenge);
    return Promise.reject(exception);
  }

  unavailable(context: ExecutionContext, error: UserTokenUnavailable): VerdictUnavailable {
    const { retryAfterSeconds } = error;
    this.setHeader(context, 'Retry-After', String(retryAfterSeconds));
    return new VerdictUnavailable(retryAfterSeconds, error);
  }

  private setHeader(context: ExecutionContext, name: string, value: string): void {
    this.adapterHost.httpAdapter.setHeader(context.getArgByIndex<object>(1), name, value);
  }
}

/** An application may number its requests freely; ids that user-token would not accept are left out. */
export function requestIdOf(context: ExecutionContext): string | undefined {
  const { id } = context.getArgByIndex<{ readonly id?: unknown }>(0);
  return typeof id === 'string' && id.length <= MAX_REQUEST_ID_LENGTH ? id : undefined;
}

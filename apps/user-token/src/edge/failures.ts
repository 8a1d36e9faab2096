import { RpcException } from '@nestjs/microservices';
import { LineLimit } from '@app/ops';
import { StoreUnavailable } from '@app/store';
import { failureOnWire, failureSchema, type Failure, type FailureOnWire } from '@app/contract';
import { UpstreamUnavailable } from '../core/authorization-server.js';
import { Busy } from '../core/busy.js';
import { DenialsUnknown } from '../core/tokens/denials.js';
import type { Log } from '../core/log.js';

/** Turns whatever a handler threw into a failure of the contract; what is not foreseen is logged and told as `internal`. */
export class Failures {
  /** Tokens of strangers can bring these about, as often as those like. */
  private readonly limit = new LineLimit();

  constructor(private readonly log: Log) {}

  /** @param requestId of the caller, where the log does not know it by itself */
  of(exception: unknown, requestId?: string): FailureOnWire {
    return failureOnWire(this.failureOf(exception, requestId));
  }

  private failureOf(exception: unknown, requestId?: string): Failure {
    const caller = requestId === undefined ? {} : { requestId };
    if (exception instanceof UpstreamUnavailable) {
      this.warn(exception, { ...caller, err: exception }, exception.message);
      const { code, retryAfterSeconds } = exception;
      return { code, message: 'the authorization server is not available', retryAfterSeconds };
    }
    if (exception instanceof Busy) {
      this.warn(exception, { ...caller, err: exception }, exception.message);
      const { code, message, retryAfterSeconds } = exception;
      return { code, message, retryAfterSeconds };
    }
    if (exception instanceof StoreUnavailable) {
      this.warn(exception, { ...caller, err: exception }, 'a call needed Redis, which is not available');
      return { code: exception.code, message: exception.message };
    }
    if (exception instanceof DenialsUnknown) {
      this.warn(exception, { ...caller, err: exception }, exception.message);
      return { code: exception.code, message: exception.message };
    }
    const told =
      exception instanceof RpcException ? failureSchema.safeParse(exception.getError()).data : undefined;
    if (told) {
      const more = this.limit.admit(told.message);
      if (more) this.log.warn({ ...caller, code: told.code, ...more }, told.message);
      return told;
    }
    this.log.error({ ...caller, err: exception }, 'a call failed for a reason that was not foreseen');
    return { code: 'internal', message: 'user-token failed' };
  }

  private warn(exception: Error, fields: object, text: string): void {
    const more = this.limit.admit(`${exception}, ${String(exception.cause)}`);
    if (more) this.log.warn({ ...fields, ...more }, text);
  }
}

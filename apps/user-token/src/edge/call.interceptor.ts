import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { InFlight, isRequestId, runWithRequestId } from '@app/ops';
import type { Failure } from '@app/contract';
import { Observable, tap } from 'rxjs';
import type { Log } from '../core/log.js';

/** Around every call: counts it while it is in flight, gives its log lines the caller's request id, and leaves one line. */
export class CallInterceptor implements NestInterceptor {
  constructor(
    private readonly inFlight: InFlight,
    private readonly log: Log,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const rpc = context.switchToRpc();
    const requestId = requestIdOf(rpc.getData<unknown>());
    const pattern = rpc.getContext<{ getPattern(): string }>().getPattern();
    const startedAtMs = performance.now();
    return new Observable((caller) =>
      runWithRequestId(requestId, () => {
        this.inFlight.enter();
        let refused = false;
        const calling = next
          .handle()
          .pipe(tap({ error: (error) => (refused = isInvalidPayload(error)) }))
          .subscribe(caller);
        calling.add(() => {
          this.inFlight.leave();
          const durationMs = Math.round((performance.now() - startedAtMs) * 10) / 10;
          // Log-ins and log-outs are worth a line each; verifications come by the thousand, and nonsense may.
          const level = /^(?:session|subject|grant)\./.test(pattern) && !refused ? 'info' : 'debug';
          this.log[level]({ pattern, durationMs, requestId }, pattern);
        });
        return calling;
      }),
    );
  }
}

/** Interceptors run before pipes: the payload may still be anything. */
function requestIdOf(payload: unknown): string | undefined {
  const requestId = (payload as { requestId?: unknown } | null | undefined)?.requestId;
  return isRequestId(requestId) ? requestId : undefined;
}

function isInvalidPayload(error: unknown): boolean {
  return error instanceof RpcException && (error.getError() as Partial<Failure>).code === 'invalid_payload';
}

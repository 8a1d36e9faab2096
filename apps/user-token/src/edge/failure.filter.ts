import { Catch, type RpcExceptionFilter } from '@nestjs/common';
import { throwError, type Observable } from 'rxjs';
import type { Failures } from './failures.js';

/** Answers with the failure that an exception stands for. */
@Catch()
export class FailureFilter implements RpcExceptionFilter {
  constructor(private readonly failures: Failures) {}

  catch(exception: unknown): Observable<never> {
    const failure = this.failures.of(exception);
    return throwError(() => failure);
  }
}

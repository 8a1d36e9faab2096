import { MAX_VERDICTS_TOGETHER } from '@app/contract';
import { Observable } from 'rxjs';

/** The values of promises that never reject. Those that settle within one turn of the event loop come together, as many as fit into one reply. */
export function asTheySettle<T>(promises: readonly Promise<T>[]): Observable<T[]> {
  return new Observable((subscriber) => {
    let left = promises.length;
    const settled: T[] = [];
    const emit = () => {
      const together = settled.splice(0, MAX_VERDICTS_TOGETHER);
      if (settled.length > 0) setImmediate(emit);
      left -= together.length;
      subscriber.next(together);
      if (left === 0) subscriber.complete();
    };
    for (const promise of promises) {
      void promise.then((value) => {
        if (settled.push(value) === 1) setImmediate(emit);
      });
    }
  });
}

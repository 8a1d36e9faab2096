import { Observable } from 'rxjs';

/** So many verdicts of the largest tokens fit into a message (1 MiB). */
const MAX_TOGETHER = 64;

/** The values of promises that never reject. Those that settle within one turn of the event loop come together, 64 at the most. */
export function asTheySettle<T>(promises: readonly Promise<T>[]): Observable<T[]> {
  return new Observable((subscriber) => {
    let left = promises.length;
    const settled: T[] = [];
    const emit = () => {
      const together = settled.splice(0, MAX_TOGETHER);
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

import { Observable } from 'rxjs';

/** The values of promises that never reject. Those that settle within one turn of the event loop come together. */
export function asTheySettle<T>(promises: readonly Promise<T>[]): Observable<T[]> {
  return new Observable((subscriber) => {
    let left = promises.length;
    let settled: T[] = [];
    const emit = () => {
      subscriber.next(settled);
      left -= settled.length;
      settled = [];
      if (left === 0) subscriber.complete();
    };
    for (const promise of promises) {
      void promise.then((value) => {
        if (settled.push(value) === 1) setImmediate(emit);
      });
    }
  });
}

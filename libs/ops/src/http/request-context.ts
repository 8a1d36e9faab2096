import { AsyncLocalStorage } from 'node:async_hooks';

const REQUEST_ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Whether a value is a request id that log lines may carry. */
export function isRequestId(value: unknown): value is string {
  return typeof value === 'string' && REQUEST_ID.test(value);
}

const storage = new AsyncLocalStorage<string>();

/** Runs `work` so that its log lines carry this request id. */
export function runWithRequestId<T>(requestId: string | undefined, work: () => T): T {
  return requestId === undefined ? work() : storage.run(requestId, work);
}

export function currentRequestId(): string | undefined {
  return storage.getStore();
}

/**
 * How a call waits for its answer.
 *
 * `prompt`, the default, is for a caller with something else to do: a request that can ask another service. A read ends within the
 * store's budget of reads, shares one command with the other reads of its turn of the event loop, and fails at once while
 * Redis is slow. A write ends within the budget of writes.
 *
 * `patient` is for a caller that has nothing else: it waits for its own time. A read goes out alone, also while Redis is slow.
 */
export type Wait =
  | { readonly mode: 'prompt' }
  | {
      readonly mode: 'patient';
      /** In milliseconds. */
      readonly forMs: number;
    };

export const PROMPT: Wait = { mode: 'prompt' };

export function patient(forMs: number): Wait {
  return { mode: 'patient', forMs };
}

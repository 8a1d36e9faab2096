import { printable, printableStack } from './printable.js';
import { StartError } from './start-error.js';

/** A service that has started. */
export interface RunningService {
  /** What listens where, by name, e.g. `{ http: 'http://127.0.0.1:3001' }`. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Not ready from now on; what was accepted is answered; connections are closed. */
  stop(): Promise<void>;
  /** How long that may take before the process exits with code 1. Default 10,000 (10 s). */
  readonly stopTimeoutMs?: number;
}

/** For a stop, besides the time that a service is told to wait before it closes its listener. */
export const STOP_TIMEOUT_MS = 10_000;

/** npm hands a Ctrl-C on that the terminal has sent to all of its processes. */
const SAME_SIGNAL_MS = 250;

/**
 * Runs a service as the process: starts it, and stops it on SIGTERM or SIGINT, exiting with 0; at once where it has not started
 * yet. A failure to start is told in one message on standard error and ends the process with 1; so does a signal while it stops,
 * or a stop that takes too long.
 *
 * @param start imports what it needs itself: until this function is called a signal is lost where this is process 1
 */
export async function runService(name: string, start: () => Promise<RunningService>): Promise<void> {
  let running: RunningService | undefined;
  let stoppingSinceMs: number | undefined;
  const stop = () => {
    const nowMs = performance.now();
    if (stoppingSinceMs !== undefined) {
      if (nowMs - stoppingSinceMs > SAME_SIGNAL_MS) process.exit(1);
      return;
    }
    stoppingSinceMs = nowMs;
    const stopTimeoutMs = running?.stopTimeoutMs ?? STOP_TIMEOUT_MS;
    setTimeout(() => {
      process.stderr.write(`${name} did not stop within ${stopTimeoutMs} ms\n`);
      process.exit(1);
    }, stopTimeoutMs).unref();
    Promise.resolve(running?.stop()).then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${name} did not stop cleanly: ${explain(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  try {
    running = await start();
  } catch (error) {
    process.stderr.write(`${name} cannot start. ${explain(error)}\n`);
    process.exit(1);
  }
}

/** Words for what was foreseen, the stack for what was not. */
function explain(error: unknown): string {
  if (error instanceof StartError) return error.message;
  return error instanceof Error
    ? (printableStack(error) ?? printable(error.message))
    : printable(String(error));
}

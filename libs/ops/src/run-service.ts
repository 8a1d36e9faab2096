import { printable, printableStack } from './logs/printable.js';
import { StartError } from './settings/start-error.js';

/** A service that has started. */
export interface RunningService {
  /** Addresses of the listeners by name, e.g. `{ http: 'http://127.0.0.1:3001' }`. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Makes the service not ready, answers accepted requests, closes connections. */
  stop(): Promise<void>;
  /** Time limit of a stop, after which the process exits with code 1. Default 10,000 (10 s). */
  readonly stopTimeoutMs?: number;
}

/** For a stop, in addition to the configured wait before the listener closes. */
export const STOP_TIMEOUT_MS = 10_000;

/** npm passes on a Ctrl-C that the terminal has already sent to all processes. */
const SAME_SIGNAL_MS = 250;

/**
 * Runs a service as the process: starts it, and stops it on SIGTERM or SIGINT with exit code 0; at once if it has not started
 * yet. A failed start prints one message on standard error and ends the process with 1. So does a signal during a stop, or a stop
 * that takes too long.
 *
 * @param start must import its own dependencies: before this function is called, process 1 loses a signal
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

/** A message for expected errors, the stack for all others. */
function explain(error: unknown): string {
  if (error instanceof StartError) return error.message;
  return error instanceof Error
    ? (printableStack(error) ?? printable(error.message))
    : printable(String(error));
}

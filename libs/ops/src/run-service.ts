import { printable, printableStack } from './printable.js';
import { SettingsError } from './settings.js';
import { StartError } from './start-error.js';

/** A service that has started. */
export interface RunningService {
  /** What listens where, by name, e.g. `{ http: 'http://127.0.0.1:3001' }`. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Not ready from now on; what was accepted is answered; connections are closed. */
  stop(): Promise<void>;
}

export interface RunOptions {
  /** How long a stop may take before the process exits with code 1. Default 10,000 (10 s). */
  readonly stopTimeoutMs?: number;
}

/**
 * Runs a service as the process: starts it, and stops it on SIGTERM or SIGINT, exiting with 0. A failure to start is told
 * in one message on standard error and ends the process with 1; so does a second signal, or a stop that takes too long.
 */
export async function runService(
  name: string,
  start: () => Promise<RunningService>,
  { stopTimeoutMs = 10_000 }: RunOptions = {},
): Promise<void> {
  let running: RunningService | undefined;
  let stopping = false;
  const stop = () => {
    if (stopping) process.exit(1);
    stopping = true;
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
  if (error instanceof SettingsError || error instanceof StartError) return error.message;
  return error instanceof Error
    ? (printableStack(error) ?? printable(error.message))
    : printable(String(error));
}

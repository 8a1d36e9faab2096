import { isNativeError } from 'node:util/types';
import { pino, type DestinationStream, type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { currentRequestId } from './request-context.js';
import { printable, printableFrames, printableJson, printableStack } from './printable.js';
import type { LogLevel } from './settings.js';

export interface LoggerOptions {
  readonly service: string;
  /** `local` writes for people, all others JSON lines. */
  readonly environment: string;
  readonly level?: LogLevel;
  /** Where lines go, always as JSON; standard output by default. */
  readonly destination?: DestinationStream | undefined;
}

const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'password',
  'secret',
  'client_secret',
  'clientSecret',
  'token',
  'access_token',
  'accessToken',
  'refresh_token',
  'refreshToken',
  'id_token',
  'mfa_token',
  'mfaToken',
];

/** The logger of a service. Fields with secret-sounding names are replaced, down to the third level. */
export function createLogger({ service, environment, level = 'info', destination }: LoggerOptions): Logger {
  return pino(
    {
      base: { service },
      level,
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
        censor: '[redacted]',
      },
      serializers,
      mixin: () => {
        const requestId = currentRequestId();
        return requestId === undefined ? {} : { requestId };
      },
    },
    destination || environment !== 'local' ? json(destination) : readableLines(),
  );
}

/** JSON lines, written at once, so that the last ones before an exit are not lost. */
function json(destination: DestinationStream = pino.destination({ sync: true })): DestinationStream {
  return { write: (line) => destination.write(printableJson(line)) };
}

/**
 * Lines for people, written at once as well.
 *
 * @param destination standard output by default
 */
export function readableLines(destination?: DestinationStream): DestinationStream {
  const toText = prettyFactory({
    singleLine: true,
    ignore: 'pid,hostname,service',
    messageFormat: '[{service}] {msg}',
    colorize: destination === undefined && process.stdout.isTTY,
  });
  const output = destination ?? pino.destination({ sync: true });
  return { write: (line) => output.write(toText(readable(JSON.parse(line)))) };
}

/** @param describes whether `value` is what {@link describeError} made, or `all` of a line, in which two fields are */
function readable(value: unknown, describes: 'all' | 'error' | 'anything' = 'all'): unknown {
  if (typeof value === 'string') return printable(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((entry) => readable(entry, 'anything'));
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]: [string, unknown]) => {
      if (describes === 'error' && key === 'stack' && typeof entry === 'string')
        return [key, printableFrames(entry)];
      const isError = describes === 'all' ? key in serializers : describes === 'error' && key === 'cause';
      return [printable(key), readable(entry, isError ? 'error' : 'anything')];
    }),
  );
}

const serializers = { err: describeError, error: describeError };

const MAX_CAUSES = 4;

/**
 * Name, message, code and stack, and the same of what caused it. Everything else that libraries hang on errors, requests
 * and responses among it, stays out of the log.
 */
export function describeError(error: unknown, depth = 0): object {
  if (!isError(error)) return { message: typeof error === 'string' ? error : typeof error };
  const { code } = error as { code?: unknown };
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' && { code }),
    stack: printableStack(error),
    ...(error.cause !== undefined && depth < MAX_CAUSES && { cause: describeError(error.cause, depth + 1) }),
  };
}

/** A time-out is a DOMException, which Node 20 does not count among its native errors. */
function isError(error: unknown): error is Error {
  return isNativeError(error) || error instanceof Error || error instanceof DOMException;
}

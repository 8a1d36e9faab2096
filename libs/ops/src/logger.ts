import { pino, type DestinationStream, type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { printable, printableFrames, printableJson } from './printable.js';
import { redacted, redactedValue } from './redaction.js';
import { currentRequestId } from './request-context.js';
import type { LogLevel } from './settings.js';

export interface LoggerOptions {
  readonly service: string;
  /** `local` writes for people, all others JSON lines. */
  readonly environment: string;
  readonly level?: LogLevel;
  /** Where lines go, always as JSON; standard output by default. */
  readonly destination?: DestinationStream | undefined;
}

/** The logger of a service. What has the name of a secret is replaced, at any depth. */
export function createLogger({ service, environment, level = 'info', destination }: LoggerOptions): Logger {
  const logger = pino(
    {
      base: { service },
      level,
      formatters: { log: redacted },
      // It is described already.
      serializers: { err: (description: unknown) => description },
      hooks: {
        logMethod(args, method) {
          const [first, ...rest] = args as unknown as [unknown, ...unknown[]];
          const shown = rest.length === 0 ? args : [first, ...rest.map(redactedValue)];
          method.apply(this, shown as Parameters<typeof method>);
        },
      },
      mixin: () => {
        const requestId = currentRequestId();
        return requestId === undefined ? {} : { requestId };
      },
    },
    destination || environment !== 'local' ? json(destination) : readableLines(),
  );
  redactChildren(logger);
  return logger;
}

/** What a child says on each of its lines is no field of a line to pino. */
function redactChildren(logger: Logger): void {
  const makeChild = Reflect.get(logger, 'child') as unknown as (...args: unknown[]) => Logger;
  Reflect.set(logger, 'child', function (this: Logger, bindings: object, ...options: unknown[]) {
    return makeChild.call(this, redacted(bindings), ...options);
  });
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

/** Fields of a line that hold an error, as `describeError` makes it. */
const ERROR_FIELDS: readonly string[] = ['err', 'error'];

/** @param describes whether `value` is what `describeError` made, or `all` of a line, in which two fields are */
function readable(value: unknown, describes: 'all' | 'error' | 'anything' = 'all'): unknown {
  if (typeof value === 'string') return printable(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((entry) => readable(entry, 'anything'));
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]: [string, unknown]) => {
      if (describes === 'error' && key === 'stack' && typeof entry === 'string')
        return [key, printableFrames(entry)];
      const isError =
        describes === 'all' ? ERROR_FIELDS.includes(key) : describes === 'error' && key === 'cause';
      return [printable(key), readable(entry, isError ? 'error' : 'anything')];
    }),
  );
}

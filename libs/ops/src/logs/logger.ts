import { isatty } from 'node:tty';
import { pino, type DestinationStream, type Logger } from 'pino';
import { jsonLines, readableLines, type LogLines } from './log-lines.js';
import { LogOutput } from './log-output.js';
import { redacted, redactedValue } from './redaction.js';
import { currentRequestId } from '../http/request-context.js';
import type { LogLevel } from '../settings/settings.js';

export interface LoggerOptions {
  readonly service: string;
  /** `local` writes lines for people, all others write JSON lines. */
  readonly environment: string;
  readonly level?: LogLevel;
  /** Gets lines at once, as JSON; default: standard output. */
  readonly destination?: DestinationStream | undefined;
}

/** The logger of a service. It replaces fields with the name of a secret, at any depth. */
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
    destination ? jsonLines(destination) : standardOutput(environment),
  );
  redactChildren(logger);
  if (!destination) tellLosses(logger);
  return logger;
}

/** For pino, the bindings of a child are not fields of a line. */
function redactChildren(logger: Logger): void {
  const makeChild = Reflect.get(logger, 'child') as unknown as (...args: unknown[]) => Logger;
  Reflect.set(logger, 'child', function (this: Logger, bindings: object, ...options: unknown[]) {
    return makeChild.call(this, redacted(bindings), ...options);
  });
}

/** One for all loggers of the process; otherwise their lines could overtake each other. */
let output: LogOutput | undefined;

function standardOutput(environment: string): LogLines {
  output ??= new LogOutput();
  return environment === 'local' ? readableLines(output, { colorize: isatty(1) }) : jsonLines(output);
}

function tellLosses(logger: Logger): void {
  if (output) output.onLoss = (dropped) => logger.error({ dropped }, LOSS);
}

const LOSS = 'log lines were lost: standard output did not take them in time';

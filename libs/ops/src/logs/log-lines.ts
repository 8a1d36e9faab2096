import { pino, type DestinationStream, type Logger } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { jsonAccessLine, readableAccessLine, type AccessFields, type Bindings } from './access-line.js';
import { printable, printableFrames, printableJson } from './printable.js';

/** Where lines go. */
export interface LineSink extends DestinationStream {
  /** Writes once there are more lines; when absent, at once. */
  writeSoon?(line: string): void;
}

/** The lines of a logger in their written form. */
export interface LogLines extends DestinationStream {
  /** Writes access lines, past pino, for a logger with these bindings. */
  accessWriter(bindings: Bindings): (fields: AccessFields) => void;
}

/** Writes access lines to the logger's own output, or through the logger if that is no {@link LogLines}. */
export function accessWriterOf(logger: Logger): (fields: AccessFields) => void {
  const lines = (logger as unknown as Record<symbol, Partial<LogLines>>)[pino.symbols.streamSym];
  return (
    lines?.accessWriter?.(logger.bindings()) ??
    ((fields) => logger.info(fields, `${fields.method} ${fields.route} ${fields.status}`))
  );
}

export function jsonLines(sink: LineSink): LogLines {
  return {
    write: (line) => sink.write(printableJson(line)),
    accessWriter: (bindings) => {
      const toLine = jsonAccessLine(bindings);
      return (fields) => writeSoon(sink, toLine(fields));
    },
  };
}

/** Lines for people. */
export function readableLines(sink: LineSink, { colorize = false } = {}): LogLines {
  const toText = prettyFactory({
    singleLine: true,
    ignore: 'pid,hostname,service',
    messageFormat: '[{service}] {msg}',
    colorize,
  });
  return {
    write: (line) => sink.write(toText(readable(JSON.parse(line)))),
    accessWriter: (bindings) => {
      const toLine = readableAccessLine(bindings, colorize);
      return (fields) => writeSoon(sink, toLine(fields));
    },
  };
}

function writeSoon(sink: LineSink, line: string): void {
  if (sink.writeSoon) sink.writeSoon(line);
  else sink.write(line);
}

/** Fields of a line that hold an error described by `describeError`. */
const ERROR_FIELDS: readonly string[] = ['err', 'error'];

/** @param describes whether `value` comes from `describeError`, or is `all` of a line, with two such fields */
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

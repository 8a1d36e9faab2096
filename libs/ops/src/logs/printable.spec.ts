import { createLogger } from '../index.js';
import { readableLines } from './log-lines.js';
import { printableStack } from './printable.js';

const UNPRINTABLE = /(?!\n)[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

const TEXTS: readonly [string, string][] = [
  ['a line feed', 'a\nFATAL: canary'],
  ['a carriage return', 'a\rFATAL: canary'],
  ['both', 'a\r\nFATAL: canary'],
  ['a line feed that imitates a frame', 'a\n    at canary (file:///canary.js:1:1)'],
  ['frames and more', 'a\n    at canary (canary.js:1:1)\nFATAL: canary\n    at canary'],
  ['ESC', 'a\u001b[2J\u001b]0;canary\u0007'],
  ['a tab, a backspace, a null', 'a\t\b\u0000canary'],
  ['DEL', 'a\u007fcanary'],
  ['C1', 'a\u0085b\u008d\u009b2J\u009dcanary\u009c'],
  ['separators of lines and paragraphs', 'a\u2028FATAL\u2029canary'],
  ['bidi overrides and embeddings', 'a\u202acanary\u202b\u202c\u202d\u202e'],
  ['bidi isolates', 'a\u2066canary\u2067\u2068\u2069'],
  ['bidi marks', 'a\u200ecanary\u200f\u061c'],
];

describe.each(TEXTS)('%s in foreign text', (_title, text) => {
  let output: string;
  const sink = { write: (line: string) => void (output += line) };
  const jsonLogger = () => createLogger({ service: 'test', environment: 'prod', destination: sink });
  const readableLogger = () =>
    createLogger({ service: 'test', environment: 'local', destination: readableLines(sink) });

  beforeEach(() => {
    output = '';
  });

  const logAll = (logger: ReturnType<typeof createLogger>) => {
    const cause = new Error(text, { cause: new TypeError(text) });
    logger.info({ [text]: text, list: [text], deep: { stack: text, err: { stack: text } } }, text);
    logger.info({ type: 'Error', stack: text }, text);
    logger.error({ err: new Error(text, { cause }) }, 'failed');
    logger.error({ error: text }, 'failed');
    logger.error(new Error(text));
  };

  it('begins no line of the readable log, and is no control character there', () => {
    logAll(readableLogger());
    expect(output).not.toMatch(UNPRINTABLE);
    expect(output).toContain('canary');
    for (const line of output.split('\n')) {
      expect(line).not.toMatch(/^\s*(?:at canary|FATAL|canary)/);
    }
    expect(output.match(/^\s*at .*printable\.spec/gm)!.length).toBeGreaterThanOrEqual(4);
  });

  it('is escaped in the JSON log, where it means the same', () => {
    logAll(jsonLogger());
    const lines = output.trimEnd().split('\n');
    expect(lines).toHaveLength(5);
    expect(lines.join('')).not.toMatch(UNPRINTABLE);
    const [first, , failed] = lines.map((line) => JSON.parse(line));
    expect(first).toMatchObject({ msg: text, [text]: text, list: [text] });
    expect(failed.err).toMatchObject({ message: text, cause: { message: text, cause: { message: text } } });
    expect(failed.err.cause.cause.stack).not.toMatch(/\n\s*(?:at canary|FATAL|canary)/);
    expect(failed.err.cause.cause.stack).toMatch(/\n {4}at .*printable\.spec/);
  });
});

describe('a stack', () => {
  it.each<[string, () => Error, RegExp]>([
    ['of an error without a message', () => new Error(), /^Error:? ?\n {4}at /],
    ['of an error with one', () => new RangeError('far'), /^RangeError: far\n {4}at /],
    [
      'whose error has another message by now',
      () => Object.assign(new Error('b'), { stack: 'Error: a\n    at canary\n    at f (x.js:1:1)' }),
      /^Error: a␊ {4}at canary␊ {4}at /,
    ],
    [
      'of source that could not be parsed',
      () =>
        Object.assign(new Error('Unexpected'), {
          stack: '/x.js:1\n{canary\n^\n\nError: Unexpected\n    at f (x.js:1:1)',
        }),
      /^\/x\.js:1␊\{canary␊\^␊␊Error: Unexpected\n {4}at f/,
    ],
    ['with no frames', () => Object.assign(new Error('a\nb'), { stack: 'Error: a\nb\n' }), /^Error: a␊b␊$/],
    [
      'in another form',
      () => Object.assign(new Error('a'), { stack: 'canary\n    at canary' }),
      /^canary␊? */,
    ],
  ])('%s begins lines with frames only', (_title, make, expected) => {
    const stack = printableStack(make())!;
    expect(stack).toMatch(expected);
    expect(
      stack
        .split('\n')
        .slice(1)
        .every((line) => line.startsWith('    at ')),
    ).toBe(true);
  });

  it('that is missing stays so', () => {
    const error = new Error('a');
    delete (error as { stack?: string }).stack;
    expect(printableStack(error)).toBeUndefined();
  });
});

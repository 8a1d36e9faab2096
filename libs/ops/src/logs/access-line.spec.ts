import { jest } from '@jest/globals';
import { pino } from 'pino';
import type { AccessFields } from './access-line.js';
import { createLogger } from '../index.js';
import { accessWriterOf, jsonLines, readableLines } from './log-lines.js';

const FIELDS: AccessFields = {
  method: 'GET',
  route: '/venues/:id',
  status: 200,
  durationMs: 1.2,
  requestId: 'request-7',
};

/** Without a backslash, because pino-pretty drops one. */
const HOSTILE = 'a"bc\n\r\u001b[2J\u007f\u0085\u009b\u2028\u202e\ud800';

const CASES: readonly [string, AccessFields][] = [
  ['a request', FIELDS],
  ['a refused request without a route', { ...FIELDS, route: '(none)', status: 404, durationMs: 0 }],
  ['an invalid method', { ...FIELDS, method: HOSTILE }],
  ['an invalid route', { ...FIELDS, route: HOSTILE }],
  ['an invalid request id', { ...FIELDS, requestId: HOSTILE }],
];

describe('an access line', () => {
  beforeAll(() => {
    jest.useFakeTimers({ now: new Date(2026, 0, 2, 3, 4, 5, 6) });
  });

  afterAll(() => {
    jest.useRealTimers();
  });

  const forms: readonly [string, (written: string[]) => ReturnType<typeof jsonLines>][] = [
    ['JSON', (written) => jsonLines({ write: (line) => void written.push(line) })],
    ['text', (written) => readableLines({ write: (line) => void written.push(line) })],
    [
      'coloured text',
      (written) => readableLines({ write: (line) => void written.push(line) }, { colorize: true }),
    ],
  ];

  describe.each(forms)('as %s', (_form, open) => {
    it.each(CASES)('of %s is the same line as from pino', (_title, fields) => {
      const written: string[] = [];
      const lines = open(written);
      const logger = pino({ base: { service: 'test', part: 'b\u202e' } }, lines);
      const { method, route, status } = fields;
      logger.info(fields, `${method} ${route} ${status}`);
      const write = accessWriterOf(logger);
      write(fields);
      write(fields);
      expect(written).toHaveLength(3);
      expect(written.slice(1)).toEqual([written[0], written[0]]);
      expect(written[0]).toMatch(/^[^\n]+\n$/);
    });
  });

  it('does not remember an unlimited number of methods', () => {
    const written: string[] = [];
    const logger = createLogger({
      service: 'test',
      environment: 'test',
      destination: { write: (line) => void written.push(line) },
    });
    const write = accessWriterOf(logger);
    for (let i = 0; i < 200; i += 1) write({ ...FIELDS, method: `M${i}` });
    expect(written.map((line) => (JSON.parse(line) as AccessFields).method)).toEqual(
      Array.from({ length: 200 }, (_, i) => `M${i}`),
    );
  });
});

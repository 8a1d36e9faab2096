import {
  Body,
  Controller,
  Delete,
  HttpCode,
  Module,
  Patch,
  Post,
  Put,
  RawBody,
  Req,
  UnauthorizedException,
  UseGuards,
  type CanActivate,
} from '@nestjs/common';
import { APP_FILTER, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import { z } from 'zod';
import { answersIn, rawExchange } from '@app/test-support/network/raw-socket';
import {
  createHttpApplication,
  createLogger,
  InputPipe,
  ProblemFilter,
  startHttpService,
  type RunningHttpService,
} from '../index.js';

const logger = createLogger({ service: 'test', environment: 'test', level: 'silent' });

class NobodyGuard implements CanActivate {
  canActivate(): boolean {
    throw new UnauthorizedException();
  }
}

let received: unknown[] = [];

@Controller()
class TestController {
  @Post('ended') @HttpCode(204) end() {
    received.push('ended');
  }
  @Delete('items/:id') @HttpCode(204) remove(@Req() { id }: { id: string }) {
    received.push(typeof id);
  }
  @Put('items/:id') @HttpCode(204) touch() {
    received.push('touched');
  }
  @Post('input') input(@Body({ schema: z.strictObject({ a: z.string() }) }) body: { a: string }) {
    received.push(body);
  }
  @Patch('optional') optional(@Body() body?: unknown) {
    received.push(body);
  }
  @Post('looked-at') lookedAt(@Req() request: { body: unknown }) {
    received.push(request.body, request.body);
  }
  @Post('raw') raw(@RawBody() body?: Buffer) {
    received.push(body?.toString());
  }
  @Post('closed') @UseGuards(NobodyGuard) closed(@Body() body: unknown) {
    received.push(body);
  }
}

@Module({
  controllers: [TestController],
  providers: [
    { provide: APP_PIPE, useValue: new InputPipe() },
    {
      provide: APP_FILTER,
      inject: [HttpAdapterHost],
      useFactory: (adapterHost: HttpAdapterHost) => new ProblemFilter(adapterHost, logger),
    },
  ],
})
class TestModule {}

const SETTINGS = { HOST: '127.0.0.1', PORT: 0, OPS_HOST: '127.0.0.1', OPS_PORT: 0, DRAIN_DELAY_MS: 0 };
const LIMIT_BYTES = 1_000;
const CLOSE = 'Connection: close\r\n';

describe('the body of a request', () => {
  let service: RunningHttpService;

  beforeAll(async () => {
    const app = await createHttpApplication(TestModule, { logger, bodyLimitBytes: LIMIT_BYTES });
    service = await startHttpService('test', app, SETTINGS, { logger, checks: {} });
  });

  afterAll(async () => {
    await service.stop();
  });

  beforeEach(() => {
    received = [];
  });

  const head = (target: string, type: string | undefined, rest: string) =>
    `${target} HTTP/1.1\r\nHost: a\r\n${type === undefined ? '' : `Content-Type: ${type}\r\n`}${rest}`;
  /** Each character is sent as one byte. */
  const sized = (target: string, type: string | undefined, body: string, more = '') =>
    head(target, type, `Content-Length: ${body.length}\r\n${more}\r\n${body}`);
  const chunked = (target: string, type: string | undefined, chunks: readonly string[], more = '') => {
    const framed = [...chunks, ''].map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`);
    return head(target, type, `Transfer-Encoding: chunked\r\n${more}\r\n${framed.join('')}`);
  };
  const exchange = async (...parts: string[]) =>
    answersIn(withLengths(await rawExchange(service.port, ...parts)));

  const MULTIPART = 'multipart/form-data; boundary=b';
  const FORM = 'application/x-www-form-urlencoded';

  describe.each(['POST /ended', 'DELETE /items/1', 'PUT /items/1'])('that %s does not read', (target) => {
    it.each<[string, (more?: string) => string]>([
      ['JSON of no length', (more = '') => head(target, 'application/json', `${more}\r\n`)],
      ['JSON of length 0', (more) => sized(target, 'application/json', '', more)],
      ['JSON of no chunks', (more) => chunked(target, 'application/json', [], more)],
      ['JSON', (more) => sized(target, 'application/json', '{}', more)],
      ['broken JSON', (more) => sized(target, 'application/json; charset=utf-8', '{', more)],
      ['JSON that is not UTF-8', (more) => sized(target, 'application/json', '"\xe4"', more)],
      ['JSON that pollutes', (more) => sized(target, 'application/json', '{"__proto__":{}}', more)],
      ['JSON beyond the limit', (more) => sized(target, 'application/json', `"${'x'.repeat(2_000)}"`, more)],
      [
        'chunks beyond the limit',
        (more) => chunked(target, 'application/json', Array(30).fill('x'.repeat(99)), more),
      ],
      ['a form', (more) => sized(target, FORM, 'a=b', more)],
      ['a form beyond the limit', (more) => sized(target, FORM, `a=${'x'.repeat(5_000)}`, more)],
      [
        'compressed',
        (more) => sized(target, 'application/json', '\x1f\x8b', `Content-Encoding: gzip\r\n${more ?? ''}`),
      ],
      ['an invalid form', (more) => sized(target, FORM, '%', more)],
      ['multipart of length 0', (more) => sized(target, MULTIPART, '', more)],
      ['multipart', (more) => sized(target, MULTIPART, '--b\r\n\r\nx\r\n--b--\r\n', more)],
      ['multipart without a boundary', (more) => sized(target, 'multipart/form-data', 'x', more)],
      ['bytes', (more) => sized(target, 'application/octet-stream', '\x00\xff', more)],
      ['many bytes', (more) => sized(target, 'application/octet-stream', '\xff'.repeat(50_000), more)],
      ['text', (more) => sized(target, 'text/plain', 'x', more)],
      ['XML in chunks', (more) => chunked(target, 'text/xml', ['<a', '/>'], more)],
      ['no type', (more) => sized(target, undefined, 'x', more)],
      ['chunks without a type', (more) => chunked(target, undefined, ['x', 'y'], more)],
      ['no chunks and no type', (more) => chunked(target, undefined, [], more)],
      ['an invalid type', (more) => sized(target, 'undefined', 'x', more)],
      ['an empty type', (more) => sized(target, '', 'x', more)],
      ['half a type', (more) => chunked(target, 'application/', ['x'], more)],
      ['a list of types', (more) => sized(target, 'application/json, text/plain', '{}', more)],
    ])('may be %s: it is discarded, and the connection serves the next request', async (_title, request) => {
      const answers = await exchange(request() + request(CLOSE));
      expect(answers.map(({ status, body }) => [status, body])).toEqual([
        [204, ''],
        [204, ''],
      ]);
      expect(received).toHaveLength(2);
    });

    it('may come late: the route does not wait for it, and the next request works', async () => {
      const [answer, next] = await exchange(
        head(target, MULTIPART, 'Content-Length: 9\r\n\r\n'),
        'POST /end',
        sized(target, 'application/json', '{}', CLOSE),
      );
      expect([answer?.status, next?.status]).toEqual([204, 204]);
      expect(received).toHaveLength(2);
    });
  });

  it.each([
    ['application/json'],
    ['application/json; charset=utf-8'],
    ['application/JSON ;charset=UTF-8'],
    ['application/json; charset=iso-8859-1'],
    ['application/merge-patch+json'],
    ['application/json; boundary=x'],
  ])('is read as JSON in UTF-8: %s', async (type) => {
    const body = Buffer.from('{"a":"ü密🙂"}').toString('latin1');
    await exchange(sized('POST /input', type, body, CLOSE));
    expect(received).toEqual([{ a: 'ü密🙂' }]);
  });

  it.each([
    ['with a byte order mark', '\xef\xbb\xbf{"a":"x"}', { a: 'x' }],
    ['with two members of one name, of which the last counts', '{"a":"y","a":"x"}', { a: 'x' }],
    ['with an escaped surrogate pair', '{"a":"\\ud83d\\uDE42"}', { a: '🙂' }],
    ['with backslashes before what looks like a surrogate', '{"a":"\\\\ud83d"}', { a: '\\ud83d' }],
    ['with an escaped NUL', '{"a":"\\u0000"}', { a: '\0' }],
  ])('is accepted %s', async (_title, body, expected) => {
    await exchange(sized('POST /input', 'application/json', body, CLOSE));
    expect(received).toEqual([expected]);
  });

  it.each([
    ['a byte of latin1', '{"a":"\xe4"}'],
    ['a byte of latin1 in a name', '{"a":"x","\xe4":1}'],
    ['half a character', '{"a":"\xe2\x82"}'],
    ['an overlong spelling', '{"a":"\xc0\x80"}'],
    ['a raw surrogate', '{"a":"\xed\xa0\xbd"}'],
    ['the first half of a pair', '{"a":"\\ud83d"}'],
    ['the second half of a pair', '{"a":"\\uDE42x"}'],
    ['halves in the wrong order', '{"a":"\\ude42\\ud83d"}'],
    ['two first halves', '{"a":"\\ud83d\\ud83d\\ude42"}'],
    ['a half before a backslash', '{"a":"\\ud83d\\\\ude42"}'],
    ['a half in a name', '{"a":"x","\\udead":1}'],
    ['a half in a member that another one hides', '{"a":"\\ud83d","a":"x"}'],
    ['UTF-16', '\xff\xfe{\x00}\x00'],
    ['UTF-16 without a mark', '{\x00}\x00'],
    ['a prototype', '{"a":"x","__proto__":{"b":1}}'],
    ['an escaped prototype', '{"a":"x","\\u005f_proto__":{"b":1}}'],
    ["a constructor's prototype", '{"a":"x","constructor":{"prototype":{"b":1}}}'],
    ['broken JSON', '{"a":'],
    ['more than JSON', '{"a":"x"} x'],
    ['JSON nested too deeply', '['.repeat(999)],
    ['only a byte order mark', '\xef\xbb\xbf'],
  ])('is refused with %s', async (_title, body) => {
    const [answer] = await exchange(sized('POST /input', 'application/json', body, CLOSE));
    expect(answer).toMatchObject({ status: 400 });
    expect(JSON.parse(answer!.body)).toMatchObject({
      errors: [{ path: 'body', message: expect.stringContaining('must be JSON') }],
    });
    expect(received).toEqual([]);
  });

  it.each([
    ['a form, like curl -d', FORM],
    ['multipart', MULTIPART],
    ['text', 'text/plain'],
    ['something like JSON', 'application/jsonp'],
    ['an invalid type', 'json'],
    ['no type', undefined],
  ])('has an answer with the expected type if it is labelled as %s', async (_title, type) => {
    const [answer] = await exchange(sized('POST /input', type, '{"a":"x"}', CLOSE));
    expect(answer).toMatchObject({ status: 415 });
    expect(JSON.parse(answer!.body)).toMatchObject({
      errors: [{ path: 'Content-Type', message: 'must be application/json, and the body JSON' }],
    });
    expect(received).toEqual([]);
  });

  it.each([
    [
      'one byte more than the limit',
      sized('POST /input', 'application/json', `{"a":"${'x'.repeat(993)}"}`, CLOSE),
    ],
    [
      'chunks of more than the limit',
      chunked(
        'POST /input',
        'application/json',
        ['{"a":"', ...Array<string>(11).fill('x'.repeat(99)), '"}'],
        CLOSE,
      ),
    ],
  ])('is too large with %s', async (_title, request) => {
    const [answer] = await exchange(request);
    expect(answer).toMatchObject({ status: 413 });
    expect(JSON.parse(answer!.body)).toMatchObject({
      errors: [{ path: 'body', message: `must have at most ${LIMIT_BYTES} bytes` }],
    });
    expect(received).toEqual([]);
  });

  it('must not be compressed, and the answer says so', async () => {
    const answers = await exchange(
      sized('POST /input', 'application/json', '\x1f\x8b\x08', 'Content-Encoding: gzip\r\n'),
      sized('POST /input', 'application/json', '{"a":"x"}', `Content-Encoding: identity\r\n${CLOSE}`),
    );
    expect(answers.map(({ status }) => status)).toEqual([415, 201]);
    expect(JSON.parse(answers[0]!.body)).toMatchObject({ errors: [{ path: 'Content-Encoding' }] });
  });

  it('may be as large as the limit', async () => {
    await exchange(sized('POST /input', 'application/json', `{"a":"${'x'.repeat(992)}"}`, CLOSE));
    expect(received).toEqual([{ a: 'x'.repeat(992) }]);
  });

  it('that is too large leaves its connection open for the next request', async () => {
    const tooLarge = sized('POST /input', 'application/json', 'x'.repeat(70_000));
    const answers = await exchange(tooLarge, sized('POST /ended', undefined, '', CLOSE));
    expect(answers.map(({ status }) => status)).toEqual([413, 204]);
  });

  it.each([
    ['letters', 'a='.padEnd(1_000, 'x'), 201],
    ['one letter more', 'a='.padEnd(1_001, 'x'), 413],
    ['percent-encoded', `a=${'%E5%AF%86'.repeat(332)}`, 201],
    ['percent-encoded, one character more', `a=${'%E5%AF%86'.repeat(333)}`, 413],
  ])('has the same limit for a form as for JSON: %s', async (_title, form, status) => {
    const [answer] = await exchange(sized('POST /raw', FORM, form, CLOSE));
    expect(answer).toMatchObject({ status });
    expect(received).toEqual(status === 201 ? [form] : []);
  });

  it.each(['PATCH /optional', 'POST /looked-at', 'POST /raw'])(
    'that %s could read is undefined if the request has none',
    async (target) => {
      const answers = await exchange(
        head(target, undefined, '\r\n') +
          sized(target, undefined, '') +
          sized(target, 'application/json', '', CLOSE),
      );
      expect(answers.every(({ status }) => status < 300)).toBe(true);
      expect(received.filter(Boolean)).toEqual([]);
    },
  );

  it('is read once', async () => {
    await exchange(sized('POST /looked-at', 'application/json', '{"a":1}', CLOSE));
    expect(received).toEqual([{ a: 1 }, { a: 1 }]);
    expect(received[0]).toBe(received[1]);
  });

  it('is a form for a route that accepts one', async () => {
    await exchange(sized('PATCH /optional', FORM, 'a=b+c&d=%C3%BC&d=&__proto__=x&e=100%', CLOSE));
    expect(received).toEqual([{ a: 'b c', d: ['ü', ''], e: '100%' }]);
    expect(Object.getOwnPropertyNames(received[0])).toEqual(['a', 'd', 'e']);
  });

  it('is not read for a refused request', async () => {
    const [answer] = await exchange(sized('POST /closed', 'application/json', '{', CLOSE));
    expect(answer).toMatchObject({ status: 401 });
  });
});

describe('a parser that the application adds', () => {
  it('reads its media type, and no other', async () => {
    received = [];
    const app = await createHttpApplication(TestModule, { logger });
    app.useBodyParser('text/xml', {}, (_request, body, done) => done(null, `parsed ${String(body)}`));
    const service = await startHttpService('test', app, SETTINGS, { logger, checks: {} });
    try {
      const url = `http://127.0.0.1:${service.port}/optional`;
      for (const [type, body] of [
        ['text/xml', '<a/>'],
        ['application/json', '{}'],
      ] as const) {
        await fetch(url, { method: 'PATCH', headers: { 'content-type': type }, body });
      }
      expect(received).toEqual(['parsed <a/>', {}]);
    } finally {
      await service.stop();
    }
  });
});

/** A 204 has no length, and no body. */
function withLengths(received: string): string {
  return received.replace(/(HTTP\/1\.1 204 [^]*?)\r\n\r\n/g, '$1\r\ncontent-length: 0\r\n\r\n');
}

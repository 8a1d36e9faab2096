import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Body, Controller, Get, Module, Post } from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import { answersIn, rawExchange, type SocketAnswer } from '@app/test-support/network/raw-socket';
import { until } from '@app/test-support/timing/until';
import {
  createHttpApplication,
  createLogger,
  ProblemFilter,
  startHttpService,
  startOps,
  type HttpApplicationOptions,
  type RunningHttpService,
} from '../index.js';

const logs: string[] = [];
const logger = createLogger({
  service: 'test',
  environment: 'test',
  level: 'trace',
  destination: { write: (line) => void logs.push(line) },
});
const lines = () => logs.map((line) => JSON.parse(line)).filter(({ status }) => status !== undefined);

let release: () => void = () => undefined;

@Controller()
class TestController {
  @Get('ok') ok() {
    return 'fine';
  }
  @Get('held') async held() {
    await new Promise<void>((resolve) => (release = resolve));
    return 'fine';
  }
  @Get('items/:id') item() {
    return 'fine';
  }
  @Post('input') input(@Body() body: unknown) {
    return body;
  }
}

@Module({
  controllers: [TestController],
  providers: [
    {
      provide: APP_FILTER,
      inject: [HttpAdapterHost],
      useFactory: (adapterHost: HttpAdapterHost) => new ProblemFilter(adapterHost, logger),
    },
  ],
})
class TestModule {}

const SETTINGS = { HOST: '127.0.0.1', PORT: 0, OPS_HOST: '127.0.0.1', OPS_PORT: 0, DRAIN_DELAY_MS: 0 };

async function start(options: Partial<HttpApplicationOptions> = {}): Promise<RunningHttpService> {
  const app = await createHttpApplication(TestModule, { logger, ...options });
  return startHttpService('test', app, SETTINGS, { logger, checks: {} });
}

function expectRefusal(answer: SocketAnswer | undefined, status: number): void {
  expect(answer).toMatchObject({
    status,
    headers: {
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-request-id': expect.any(String),
    },
  });
  expect(JSON.parse(answer!.body)).toEqual({
    type: 'about:blank',
    title: expect.any(String),
    status,
    detail: expect.any(String),
    request_id: answer!.headers['x-request-id'],
  });
}

const HOST = 'Host: canary\r\n';
const CLOSE = 'Connection: close\r\n\r\n';
const POST = `POST /input HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n`;

describe('a request that is refused before there is a route', () => {
  let service: RunningHttpService;

  beforeAll(async () => {
    service = await start();
  });

  afterAll(async () => {
    await service.stop();
  });

  beforeEach(() => {
    logs.length = 0;
  });

  it.each<[string, readonly string[], number]>([
    ['bad percent-encoding', [`GET /%ZZcanary HTTP/1.1\r\n${HOST}${CLOSE}`], 400],
    ['half a percent-encoding', [`GET /canary% HTTP/1.1\r\n${HOST}${CLOSE}`], 400],
    ['percent-encoding that is not UTF-8', [`GET /items/%FFcanary HTTP/1.1\r\n${HOST}${CLOSE}`], 400],
    [
      'bad percent-encoding and a body',
      [`POST /%ZZ HTTP/1.1\r\n${HOST}Content-Length: 6\r\n${CLOSE}canary`],
      400,
    ],
    ['a parameter that is too long', [`GET /items/${'canary'.repeat(99)} HTTP/1.1\r\n${HOST}${CLOSE}`], 414],
    ['no Host', [`GET /ok HTTP/1.1\r\nX-Canary: canary\r\n\r\n`], 400],
    ['no Host, on an unknown path', [`GET /canary HTTP/1.1\r\n\r\n`], 400],
    ['an expectation', [`GET /ok HTTP/1.1\r\n${HOST}Expect: canary\r\n\r\n`], 417],
    ['an expectation for a body', [`${POST}Expect: 200-ok\r\nContent-Length: 9\r\n\r\n`], 417],
    ['CONNECT', [`CONNECT canary:443 HTTP/1.1\r\n${HOST}\r\n`], 405],
    ['CONNECT with bytes for the tunnel', [`CONNECT canary:443 HTTP/1.1\r\n${HOST}\r\n`, 'canary'], 405],
    ['no request at all', ['canary\r\n\r\n'], 400],
    ['TLS', ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03canary'], 400],
    ['an invalid method', [`CANARY /ok HTTP/1.1\r\n${HOST}\r\n`], 400],
    ['a method in lower case', [`get /ok HTTP/1.1\r\n${HOST}\r\n`], 400],
    ['an invalid URL', [`GET canary HTTP/1.1\r\n${HOST}\r\n`], 400],
    ['a URL with a blank', [`GET /can ary HTTP/1.1\r\n${HOST}\r\n`], 400],
    ['a URL with a control character', [`GET /can\x00ary HTTP/1.1\r\n${HOST}\r\n`], 400],
    ['an invalid version', [`GET /ok HTTP/9.9\r\n${HOST}\r\n`], 400],
    ['a header without a colon', [`GET /ok HTTP/1.1\r\n${HOST}canary\r\n\r\n`], 400],
    ['a folded header', [`GET /ok HTTP/1.1\r\n${HOST}A: b\r\n canary\r\n\r\n`], 400],
    ['a blank before the colon', [`GET /ok HTTP/1.1\r\n${HOST}Canary : b\r\n\r\n`], 400],
    ['a URL that is too long', [`GET /${'canary'.repeat(3_000)} HTTP/1.1\r\n${HOST}\r\n`], 431],
    ['a header that is too large', [`GET /ok HTTP/1.1\r\n${HOST}A: ${'canary'.repeat(3_000)}\r\n\r\n`], 431],
    ['two lengths', [`${POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`], 400],
    ['an invalid length', [`${POST}Content-Length: canary\r\n\r\n{}`], 400],
    [
      'a length and chunks',
      [`${POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`],
      400,
    ],
    ['a transfer coding without an end', [`${POST}Transfer-Encoding: canary\r\n\r\n{}`], 400],
    ['an invalid chunk', [`${POST}Transfer-Encoding: chunked\r\n\r\n`, 'canary\r\n'], 400],
    ['an invalid second chunk', [`${POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n`, 'canary\r\n'], 400],
    [
      'a chunk that is longer than its size',
      [`${POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{"canary"`],
      400,
    ],
    [
      'endless chunk extensions',
      [`${POST}Transfer-Encoding: chunked\r\n\r\n2;${'canary'.repeat(4_000)}`],
      413,
    ],
  ])(
    'for %s has the shape, the headers and the log line of any other refusal',
    async (_title, parts, status) => {
      const received = await rawExchange(service.port, ...parts);
      const answers = answersIn(received);
      expect(answers).toHaveLength(1);
      expectRefusal(answers[0], status);
      await until(() => lines().length > 0);
      expect(lines()).toEqual([
        expect.objectContaining({ status, requestId: answers[0]!.headers['x-request-id'] }),
      ]);
      expect(received + logs.join('')).not.toMatch(/canary|%ZZ/i);
    },
  );

  it('carries its own request id', async () => {
    for (const start of ['GET /%ZZ HTTP/1.1', 'CONNECT a:1 HTTP/1.1', 'PUT /%ZZ HTTP/1.1']) {
      const received = await rawExchange(
        service.port,
        `${start}\r\nHost: a\r\nX-Request-Id: abc-1\r\n${CLOSE}`,
      );
      expect(answersIn(received)).toMatchObject([{ headers: { 'x-request-id': 'abc-1' } }]);
    }
  });

  it('has no body for HEAD', async () => {
    const received = await rawExchange(service.port, `HEAD /%ZZ HTTP/1.1\r\n${HOST}${CLOSE}`);
    expect(received).toMatch(/^HTTP\/1\.1 400 [^]*\r\n\r\n$/);
  });

  it('keeps the connection open if only its URL is wrong', async () => {
    const received = await rawExchange(
      service.port,
      `GET /%ZZ HTTP/1.1\r\n${HOST}\r\n`,
      `GET /ok HTTP/1.1\r\n${HOST}${CLOSE}`,
    );
    expect(answersIn(received).map(({ status }) => status)).toEqual([400, 200]);
  });

  it('waits for the answer to the request before it', async () => {
    const exchange = rawExchange(service.port, `GET /held HTTP/1.1\r\n${HOST}\r\ncanary\r\n\r\n`);
    release = () => undefined;
    const idle = release;
    await until(() => release !== idle);
    release();
    const answers = answersIn(await exchange);
    expect(answers.map(({ status }) => status)).toEqual([200, 400]);
    expect(answers[0]!.body).toBe('fine');
    expectRefusal(answers[1], 400);
  });

  it.each([
    ['a body that ends early', `${POST}Content-Length: 99\r\n\r\n{"canary":`],
    ['chunks that end early', `${POST}Transfer-Encoding: chunked\r\n\r\n99\r\n{"canary":`],
    ['a header that ends early', `GET /ok HTTP/1.1\r\nHost: canary`],
  ])('for %s survives a client that is gone', async (_title, sent) => {
    const socket = connect({ port: service.port, host: '127.0.0.1', allowHalfOpen: true });
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.end(sent);
    await once(socket, 'close');
    expectRefusal(answersIn(received)[0], 400);
    const reset = connect({ port: service.port, host: '127.0.0.1' });
    await once(reset, 'connect');
    reset.write(sent, () => reset.resetAndDestroy());
    await once(reset, 'close');
    expect(await statusOfOk(service.port)).toBe(200);
  });

  it('does not happen for an absolute form or an upgrade', async () => {
    for (const head of [
      `GET http://canary/ok HTTP/1.1\r\n${HOST}`,
      `GET /ok HTTP/1.1\r\n${HOST}Upgrade: h2c\r\n`,
    ]) {
      expect(answersIn(await rawExchange(service.port, `${head}${CLOSE}`))).toMatchObject([{ status: 200 }]);
    }
  });

  it('at the ops listener has the same answer, and no log line', async () => {
    for (const request of [
      `GET /%ZZ HTTP/1.1\r\n${HOST}${CLOSE}`,
      'canary\r\n\r\n',
      `GET / HTTP/1.1\r\n\r\n`,
    ]) {
      const answers = answersIn(await rawExchange(service.opsPort, request));
      expect(answers).toHaveLength(1);
      expectRefusal(answers[0], 400);
    }
    expect(lines()).toEqual([]);
  });
});

async function statusOfOk(port: number): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}/ok`)).status;
}

describe('a request that does not arrive', () => {
  const arrival = { headersTimeoutMs: 400, requestTimeoutMs: 1_000, checkEveryMs: 20 };
  let service: RunningHttpService;

  beforeAll(async () => {
    service = await start({ arrival });
  });

  afterAll(async () => {
    await service.stop();
  });

  beforeEach(() => {
    logs.length = 0;
  });

  /** One byte every 10 ms, as long as the server reads them. */
  async function dribble(port: number, head: string): Promise<{ received: string; tookMs: number }> {
    const socket = connect({ port, host: '127.0.0.1' });
    const startedAtMs = performance.now();
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.write(head);
    void sendBytes(socket);
    await closed;
    return { received, tookMs: performance.now() - startedAtMs };
  }

  async function sendBytes(socket: Socket): Promise<void> {
    while (socket.writable) {
      socket.write('a');
      await delay(10);
    }
  }

  it.each([
    ['a request line', 'GET /'],
    ['a header', `GET /ok HTTP/1.1\r\nA: `],
    ['a body', `${POST}Content-Length: 9999\r\n\r\n`],
    ['a chunk', `${POST}Transfer-Encoding: chunked\r\n\r\nfff\r\n`],
    ['a trailer', `${POST}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\na: `],
  ])('because %s comes one byte at a time gets 408, and the connection ends', async (_title, head) => {
    const { received, tookMs } = await dribble(service.port, head);
    const answers = answersIn(received);
    expect(answers).toHaveLength(1);
    expectRefusal(answers[0], 408);
    const limitMs =
      head.endsWith('\r\n') || head.includes('chunked') ? arrival.requestTimeoutMs : arrival.headersTimeoutMs;
    expect(tookMs).toBeGreaterThanOrEqual(limitMs - 5);
    await until(() => lines().length > 0);
    expect(lines()).toEqual([expect.objectContaining({ status: 408 })]);
  });

  it('gets one answer if it was refused before it was complete', async () => {
    const refused = POST.replace('application/json', 'text/canary');
    const { received } = await dribble(service.port, `${refused}Content-Length: 9999\r\n\r\n`);
    expect(answersIn(received).map(({ status }) => status)).toEqual([415]);
    expect(lines()).toHaveLength(1);
  });

  it('gets 408, and the connection ends, if no byte comes at all', async () => {
    expectRefusal(answersIn(await rawExchange(service.port))[0], 408);
  });

  it('ends a connection that served another request before, and only this connection', async () => {
    const received = await rawExchange(service.port, `GET /ok HTTP/1.1\r\n${HOST}\r\n`, 'GET /o');
    const answers = answersIn(received);
    expect(answers.map(({ status }) => status)).toEqual([200, 408]);
    expect(await statusOfOk(service.port)).toBe(200);
  });

  it('has the same limits at the ops listener', async () => {
    const ops = await startOps({
      service: 'test',
      host: '127.0.0.1',
      port: 0,
      setting: 'OPS_PORT',
      logger,
      checks: {},
      arrival,
    });
    try {
      expectRefusal(answersIn((await dribble(ops.port, 'GET /')).received)[0], 408);
    } finally {
      await ops.close();
    }
  });
});

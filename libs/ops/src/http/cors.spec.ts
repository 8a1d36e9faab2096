import {
  Controller,
  Get,
  Module,
  Post,
  ServiceUnavailableException,
  UnauthorizedException,
} from '@nestjs/common';
import { APP_FILTER, HttpAdapterHost } from '@nestjs/core';
import { rawRequest } from '@app/test-support/network/raw-http';
import { answersIn, rawExchange } from '@app/test-support/network/raw-socket';
import {
  corsOriginsSetting,
  createHttpApplication,
  createLogger,
  ProblemFilter,
  readSettings,
  startHttpService,
  type RunningHttpService,
} from '../index.js';

const logs: string[] = [];
const logger = createLogger({
  service: 'test',
  environment: 'test',
  destination: { write: (line) => void logs.push(line) },
});

@Controller()
class TestController {
  @Get('ok') ok() {
    return 'fine';
  }
  @Post('refused') refused() {
    throw new UnauthorizedException();
  }
  @Get('away') away() {
    throw new ServiceUnavailableException();
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
const APP = 'https://app.acme.example';
const LOCAL = 'http://localhost:5173';
const EXPOSED = 'WWW-Authenticate, Retry-After, X-Request-Id';

async function start(corsOrigins: readonly string[] | undefined): Promise<RunningHttpService> {
  const app = await createHttpApplication(TestModule, { logger, ...(corsOrigins && { corsOrigins }) });
  return startHttpService('test', app, SETTINGS, { logger, checks: {} });
}

describe('with CORS_ORIGINS', () => {
  let service: RunningHttpService;

  beforeAll(async () => {
    service = await start([APP, LOCAL]);
  });

  afterAll(async () => {
    await service.stop();
  });

  const ask = (path: string, method: string, headers: readonly string[]) =>
    rawRequest(`http://127.0.0.1:${service.port}${path}`, { method, headers });
  const preflight = (origin: string, path = '/refused') =>
    ask(path, 'OPTIONS', [
      'Origin',
      origin,
      'Access-Control-Request-Method',
      'POST',
      'Access-Control-Request-Headers',
      'authorization,content-type',
    ]);

  it.each([APP, LOCAL])('a preflight from %s gets its answer before any route', async (origin) => {
    logs.length = 0;
    const { status, headers, body } = await preflight(origin);
    expect({ status, body }).toEqual({ status: 204, body: '' });
    expect(headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-methods': expect.stringMatching(/POST.*DELETE/),
      'access-control-allow-headers': 'authorization,content-type',
      'access-control-max-age': '600',
      vary: expect.stringContaining('Origin'),
      'x-request-id': expect.any(String),
    });
    expect(headers).not.toHaveProperty('access-control-allow-credentials');
    expect(logs.map((line) => JSON.parse(line))).toMatchObject([{ method: 'OPTIONS', status: 204 }]);
  });

  it.each([
    ['another origin', 'https://evil.example'],
    ['another scheme', 'http://app.acme.example'],
    ['another port', 'https://app.acme.example:8443'],
    ['a subdomain', 'https://x.app.acme.example'],
    ['a longer name', 'https://app.acme.example.evil.example'],
    ['a path', `${APP}/`],
    ['upper case', APP.toUpperCase()],
    ['no origin at all', 'null'],
    ['several', `${APP}, ${LOCAL}`],
  ])('%s gets no permission', async (_title, origin) => {
    for (const answer of [await preflight(origin), await ask('/ok', 'GET', ['Origin', origin])]) {
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
      expect(answer.headers.vary).toContain('Origin');
    }
  });

  it.each<[string, string, string, number]>([
    ['a success', 'GET', '/ok', 200],
    ['a refusal', 'POST', '/refused', 401],
    ['an outage', 'GET', '/away', 503],
    ['an unknown path', 'GET', '/nowhere', 404],
    ['a malformed path', 'GET', '/%ZZ', 400],
  ])('a page of these origins can read an answer: %s', async (_title, method, path, status) => {
    const answer = await ask(path, method, ['Origin', APP]);
    expect(answer).toMatchObject({
      status,
      headers: {
        'access-control-allow-origin': APP,
        'access-control-expose-headers': EXPOSED,
        vary: 'Origin',
        'x-request-id': expect.any(String),
      },
    });
  });

  it.each([
    ['without a Host', `GET /ok HTTP/1.1\r\nOrigin: ${APP}\r\n\r\n`, 400],
    ['with an expectation', `GET /ok HTTP/1.1\r\nHost: a\r\nOrigin: ${APP}\r\nExpect: x\r\n\r\n`, 417],
    [
      'with an invalid chunk',
      `POST /refused HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nOrigin: ${APP}\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n`,
      400,
    ],
  ])('a page of these origins can read an early refusal: %s', async (_title, request, status) => {
    const answers = answersIn(await rawExchange(service.port, request));
    expect(answers).toMatchObject([
      { status, headers: { 'access-control-allow-origin': APP, 'access-control-expose-headers': EXPOSED } },
    ]);
  });

  it('a client that is no browser gets the same answer as without the setting', async () => {
    const answer = await ask('/ok', 'GET', []);
    expect(answer).toMatchObject({ status: 200, body: 'fine' });
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin');
  });
});

describe('without CORS_ORIGINS', () => {
  it('no header allows a page of another origin to read an answer', async () => {
    const service = await start(undefined);
    try {
      for (const [method, path, status] of [
        ['OPTIONS', '/ok', 404],
        ['GET', '/ok', 200],
        ['GET', '/%ZZ', 400],
      ] as const) {
        const headers = ['Origin', APP, 'Access-Control-Request-Method', 'GET'];
        const answer = await rawRequest(`http://127.0.0.1:${service.port}${path}`, { method, headers });
        expect(answer.status).toBe(status);
        expect(Object.keys(answer.headers).filter((name) => /^(access-control-|vary)/.test(name))).toEqual(
          [],
        );
      }
    } finally {
      await service.stop();
    }
  });
});

describe('CORS_ORIGINS', () => {
  const read = (value: string | undefined) =>
    readSettings({ CORS_ORIGINS: corsOriginsSetting }, { CORS_ORIGINS: value }).CORS_ORIGINS;

  it.each([
    [undefined, []],
    ['', []],
    [APP, [APP]],
    [`${APP}, ${LOCAL},`, [APP, LOCAL]],
    ['https://xn--mnchen-3ya.example:8443', ['https://xn--mnchen-3ya.example:8443']],
    ['http://[::1]:5173', ['http://[::1]:5173']],
  ])('accepts %j', (value, origins) => {
    expect(read(value)).toEqual(origins);
  });

  it.each([
    '*',
    'null',
    'app.acme.example',
    '//app.acme.example',
    'https://app.acme.example/',
    'https://app.acme.example/login',
    'https://*.acme.example',
    'https://App.acme.example',
    'https://app.acme.example:443',
    'https://user@app.acme.example',
    'https://münchen.example',
    'https://app.acme.example?x',
    'ftp://app.acme.example',
    'capacitor://localhost',
    '"https://app.acme.example"',
    'https://a.example https://b.example',
  ])('refuses %s, and shows the value once', (wrong) => {
    const shown = wrong.replace('user@', '...@');
    const message = `CORS_ORIGINS must be comma-separated origins as browsers send them, such as https://app.acme.example (is "${LOCAL},${shown}")`;
    expect(() => read(`${LOCAL},${wrong}`)).toThrow(message);
  });
});

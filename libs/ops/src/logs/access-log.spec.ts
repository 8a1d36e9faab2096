import { Controller, Get, HttpException, Module, Param } from '@nestjs/common';
import { rawRequest } from '@app/test-support/network/raw-http';
import { until } from '@app/test-support/timing/until';
import { HealthModule } from '../health/health.module.js';
import {
  createHttpApplication,
  createLogger,
  NO_ACCESS_LOG,
  NoAccessLog,
  type AccessLogMode,
} from '../index.js';

@Controller()
class TestController {
  @Get('plain/:status') plain(@Param('status') status: string) {
    return answer(Number(status));
  }
  @Get('quiet/:status')
  @NoAccessLog()
  quiet(@Param('status') status: string) {
    return answer(Number(status));
  }
}

function answer(status: number): string {
  if (status !== 200) throw new HttpException('x', status);
  return 'x';
}

@Module({ controllers: [TestController] })
class TestModule {}

/** Requested paths, and which of them leave a line. */
const REQUESTS = ['/plain/200', '/plain/401', '/quiet/200', '/quiet/403', '/files/200', '/nowhere', '/%'];

const LINES: Readonly<Record<AccessLogMode, readonly string[]>> = {
  all: [
    'GET /plain/:status 200',
    'GET /plain/:status 401',
    'GET /quiet/:status 403',
    'GET (none) 404',
    'GET (none) 400',
  ],
  refused: ['GET /plain/:status 401', 'GET /quiet/:status 403', 'GET (none) 404', 'GET (none) 400'],
  off: [],
};

describe('the access log', () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ service: 'test', environment: 'test', destination });
  const messages = () =>
    lines
      .map((line) => JSON.parse(line) as { msg: string; method?: string })
      .filter(({ method }) => method !== undefined)
      .map(({ msg }) => msg);

  beforeEach(() => {
    lines.length = 0;
  });

  it.each(Object.entries(LINES))('%s: has these lines', async (mode, expected) => {
    const app = await createHttpApplication(TestModule, { logger, accessLog: mode as AccessLogMode });
    app
      .getHttpAdapter()
      .getInstance()
      .get('/files/:status', { config: NO_ACCESS_LOG }, () => 'x');
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as { port: number };
    for (const path of REQUESTS) await rawRequest(`http://127.0.0.1:${port}${path}`);
    await until(() => messages().length >= expected.length);
    await app.close();
    expect(messages()).toEqual(expected);
  });

  it('has no line below the level info', async () => {
    const quiet = createLogger({ service: 'test', environment: 'test', level: 'warn', destination });
    const app = await createHttpApplication(TestModule, { logger: quiet });
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as { port: number };
    await rawRequest(`http://127.0.0.1:${port}/plain/401`);
    await app.close();
    expect(messages()).toEqual([]);
  });

  it('has no line for a health check without problems', async () => {
    let up = true;
    const health = HealthModule.forState({ checks: { it: () => ({ up }) }, draining: false });
    const app = await createHttpApplication(health, { logger });
    await app.listen(0, '127.0.0.1');
    const { port } = app.getHttpServer().address() as { port: number };
    for (const path of ['live', 'ready']) await rawRequest(`http://127.0.0.1:${port}/health/${path}`);
    up = false;
    await rawRequest(`http://127.0.0.1:${port}/health/ready`);
    await until(() => messages().length >= 1);
    await app.close();
    expect(messages()).toEqual(['GET /health/ready 503']);
  });
});

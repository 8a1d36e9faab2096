import { setTimeout as delay } from 'node:timers/promises';
import { Body, Controller, Get, Ip, Module, Post, Query, ServiceUnavailableException } from '@nestjs/common';
import { APP_FILTER, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import { z } from 'zod';
import { rawRequest } from '@app/test-support/network/raw-http';
import { until } from '@app/test-support/timing/until';
import {
  createHttpApplication,
  createLogger,
  InputPipe,
  ProblemFilter,
  startHttpService,
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

let slowOnes = 0;

@Controller()
class TestController {
  @Get('ip') ip(@Ip() address: string) {
    return { address };
  }
  @Get('slow') async slow() {
    slowOnes += 1;
    await delay(300);
    return 'done';
  }
  @Get('fault') fault() {
    throw Object.assign(new Error('canary in the message'), { request: { password: 'canary' } });
  }
  @Get('away') away(@Query('why') why: string) {
    throw new ServiceUnavailableException(undefined, { cause: new Error(why) });
  }
  @Post('input') input(@Body({ schema: z.strictObject({ a: z.string() }) }) body: { a: string }) {
    return body;
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

async function start(
  options: Partial<HttpApplicationOptions> = {},
): Promise<RunningHttpService & { url: string }> {
  const app = await createHttpApplication(TestModule, { logger, ...options });
  const running = await startHttpService('test', app, SETTINGS, { logger, checks: {} });
  return { ...running, url: `http://127.0.0.1:${running.port}` };
}

describe('an HTTP service', () => {
  let service: RunningHttpService & { url: string };

  beforeAll(async () => {
    service = await start();
  });

  afterAll(async () => {
    await service.stop();
  });

  const post = (body: string, type = 'application/json') =>
    rawRequest(`${service.url}/input`, { method: 'POST', headers: ['Content-Type', type], body });

  it('keeps a valid request id, and otherwise makes one', async () => {
    const given = await rawRequest(`${service.url}/ip`, { headers: ['X-Request-Id', 'abc-1'] });
    expect(given.headers['x-request-id']).toBe('abc-1');
    const made = await rawRequest(`${service.url}/ip`, { headers: ['X-Request-Id', 'a b"'] });
    expect(made.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('leaves one log line for each request, with the route and not the URL', async () => {
    logs.length = 0;
    await rawRequest(`${service.url}/ip?access_token=canary`);
    const lines = logs.map((line) => JSON.parse(line)).filter(({ route }) => route);
    expect(lines).toEqual([expect.objectContaining({ method: 'GET', route: '/ip', status: 200 })]);
    expect(logs.join()).not.toContain('canary');
  });

  it.each([
    ['broken JSON', '{"a":canary}', 'application/json', 400],
    ['another media type', 'canary', 'application/xml', 415],
    ['a body beyond the limit', JSON.stringify({ a: 'canary'.repeat(4000) }), 'application/json', 413],
    ['a polluted prototype', '{"__proto__":{"a":"canary"}}', 'application/json', 400],
    ['an unknown field', '{"a":"x","b":"canary"}', 'application/json', 400],
    ['a field of the wrong type', '{"a":{"$ne":"canary"}}', 'application/json', 400],
  ])('refuses %s with problem details that repeat nothing', async (_title, body, type, status) => {
    logs.length = 0;
    const answer = await post(body, type);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(JSON.parse(answer.body)).toMatchObject({
      type: 'about:blank',
      status,
      request_id: expect.any(String),
    });
    expect(answer.body + logs.join()).not.toContain('canary');
  });

  it('repeats nothing of an unknown URL', async () => {
    logs.length = 0;
    for (const method of ['GET', 'POST', 'PROPFIND', 'M-SEARCH', 'OPTIONS']) {
      const answer = await rawRequest(`${service.url}/canary?access_token=canary`, { method });
      expect(answer.status).toBe(404);
      expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
      expect(JSON.parse(answer.body)).toMatchObject({ status: 404, detail: 'There is nothing here' });
      expect(answer.body).not.toContain('canary');
    }
    expect(logs.join()).not.toContain('canary');
  });

  it('answers a fault with only 500, and logs it without attachments of the error', async () => {
    logs.length = 0;
    const answer = await rawRequest(`${service.url}/fault`);
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain('canary');
    expect(logs.join()).toContain('canary in the message');
    expect(logs.join()).not.toContain('"password"');
  });

  it('limits the log lines for a flood of 503s, and still logs another reason or a fault', async () => {
    logs.length = 0;
    const told = () => logs.filter((line) => line.includes('a request failed'));
    for (let i = 0; i < 50; i += 1)
      expect((await rawRequest(`${service.url}/away?why=flood`)).status).toBe(503);
    expect(told()).toHaveLength(10);
    await rawRequest(`${service.url}/away?why=another`);
    await rawRequest(`${service.url}/fault`);
    expect(told()).toHaveLength(12);
  });

  it("uses the socket's address, whatever the headers", async () => {
    const headers = [
      'X-Forwarded-For',
      '203.0.113.7',
      'Auth0-Forwarded-For',
      '203.0.113.7',
      'Forwarded',
      'for=203.0.113.7',
    ];
    expect((await rawRequest(`${service.url}/ip`, { headers })).body).toBe('{"address":"127.0.0.1"}');
  });

  it('uses the address that the outermost of its own proxies saw', async () => {
    const proxied = await start({ trustedProxyHops: 1 });
    const headers = ['X-Forwarded-For', '198.51.100.1, 203.0.113.7'];
    expect((await rawRequest(`${proxied.url}/ip`, { headers })).body).toBe('{"address":"203.0.113.7"}');
    await proxied.stop();
  });

  it('answers accepted requests after a stop, on a kept-alive connection, and accepts no new ones', async () => {
    const stopping = await start();
    const before = slowOnes;
    const slow = fetch(`${stopping.url}/slow`);
    await until(() => slowOnes > before);
    const stopped = stopping.stop();
    expect(await (await slow).text()).toBe('done');
    await stopped;
    await expect(rawRequest(`${stopping.url}/ip`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('is not ready while it drains', async () => {
    const app = await createHttpApplication(TestModule, { logger });
    const draining = await startHttpService(
      'test',
      app,
      { ...SETTINGS, DRAIN_DELAY_MS: 300 },
      { logger, checks: {} },
    );
    const ready = () => rawRequest(`http://127.0.0.1:${draining.opsPort}/health/ready`);
    expect((await ready()).status).toBe(200);
    const stopped = draining.stop();
    expect((await ready()).status).toBe(503);
    expect((await rawRequest(`http://127.0.0.1:${draining.port}/ip`)).status).toBe(200);
    await stopped;
  });
});

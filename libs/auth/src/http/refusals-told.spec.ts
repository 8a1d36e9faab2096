import type { AddressInfo } from 'node:net';
import { Controller, Get, Module, UseGuards, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { Verdict } from '@app/contract';
import { rawRequest } from '@app/test-support/network/raw-http';
import { active, startFakeUserToken, type FakeUserToken } from '@app/test-support/suite/fake-user-token';
import { AuthModule, BearerGuard, Scopes } from '../index.js';

@Controller()
@UseGuards(BearerGuard)
class RoutesController {
  @Get('me') me() {
    return {};
  }
  @Get('read') @Scopes('read:venues') read() {
    return {};
  }
}

interface Line {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

describe('why a token was refused', () => {
  const lines: Line[] = [];
  let userToken: FakeUserToken;
  let app: INestApplication;
  let url: string;

  beforeAll(async () => {
    userToken = await startFakeUserToken();
    const line = (level: string) => (fields: object, message: string) =>
      void lines.push({ level, fields: fields as Line['fields'], message });
    @Module({
      imports: [
        AuthModule.forRoot({
          audience: 'https://api.test/',
          userToken: { urls: userToken.url },
          log: { debug: line('debug'), info: line('info') },
        }),
      ],
      controllers: [RoutesController],
    })
    class RoutesModule {}
    const adapter = new FastifyAdapter({ requestIdHeader: 'x-request-id' });
    app = await NestFactory.create(RoutesModule, adapter, { logger: ['error'] });
    await app.listen(0, '127.0.0.1');
    url = `http://127.0.0.1:${(app.getHttpServer() as { address(): AddressInfo }).address().port}`;
  });

  afterAll(async () => {
    await app.close();
    await userToken.stop();
  });

  beforeEach(() => {
    lines.length = 0;
  });

  let serial = 0;
  const newJwt = () => {
    serial += 1;
    const parts = [
      { alg: 'RS256', kid: 'key-7' },
      { iss: 'https://issuer.test/', aud: 'https://other.test/', n: serial },
    ];
    return [...parts, 'canary-signature'].map((part) => encoded(JSON.stringify(part))).join('.');
  };
  const encoded = (text: string) => Buffer.from(text).toString('base64url');
  const get = (path: string, ...headers: string[]) =>
    rawRequest(`${url}${path}`, { headers: ['X-Request-Id', 'request-7', ...headers] });
  const told = () => lines.map(({ fields }) => fields);

  it.each<[string, Verdict, string, number, object]>([
    [
      'expired',
      { active: false, reason: 'expired' },
      '/me',
      401,
      { kid: 'key-7', issuer: 'https://issuer.test/' },
    ],
    ['revoked', { active: false, reason: 'revoked' }, '/me', 401, { audience: 'https://other.test/' }],
    [
      'wrong_audience',
      active({ audience: ['https://other.test/'] }),
      '/me',
      401,
      { issuer: 'https://issuer.test/', audience: 'https://other.test/' },
    ],
    ['expired', active({ expiresAtSeconds: 1 }), '/me', 401, { audience: 'https://api.test/' }],
    ['insufficient_scope', active({ scopes: [] }), '/read', 403, { detail: 'it takes read:venues' }],
  ])('is in the log: %s', async (reason, verdict, path, status, fields) => {
    userToken.behave(() => verdict);
    const token = newJwt();
    expect(await get(path, 'Authorization', `Bearer ${token}`)).toMatchObject({ status });
    expect(told()).toEqual([expect.objectContaining({ reason, requestId: 'request-7', ...fields })]);
    expect(JSON.stringify(lines)).not.toContain(token.split('.')[2]);
  });

  it('is in the log each time a refusal is remembered', async () => {
    userToken.behave(() => ({ active: false, reason: 'wrong_issuer' }));
    const token = newJwt();
    userToken.asked.length = 0;
    for (let i = 0; i < 3; i += 1) await get('/me', 'Authorization', `Bearer ${token}`);
    expect(told().map(({ reason }) => reason)).toEqual(['wrong_issuer', 'wrong_issuer', 'wrong_issuer']);
    expect(lines.filter(({ level }) => level === 'info')).toHaveLength(1);
    expect(userToken.asked).toHaveLength(1);
  });

  it.each<[string, string[], object]>([
    [
      'a token in a spelling that is not canonical',
      ['Authorization', 'Bearer canary'],
      { reason: 'malformed' },
    ],
    [
      'two headers',
      ['Authorization', 'Bearer canary-0123456789', 'Authorization', 'Bearer canary-0123456789'],
      { reason: 'invalid_request', detail: 'The request has more than one Authorization header' },
    ],
  ])('is in the log without what was sent: %s', async (_title, headers, fields) => {
    await get('/me', ...headers);
    expect(told()).toEqual([{ requestId: 'request-7', ...fields }]);
    expect(JSON.stringify(lines)).not.toContain('canary');
  });

  it('is not logged for requests without a token or with a good one', async () => {
    userToken.behave(() => active());
    await get('/me');
    await get('/me', 'Authorization', `Bearer ${newJwt()}`);
    expect(lines).toEqual([]);
  });
});

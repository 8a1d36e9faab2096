import type { AddressInfo, Server } from 'node:net';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload, Transport, type MicroserviceOptions } from '@nestjs/microservices';
import { createLogger, type Environment, type RunningHttpService } from '@app/ops';
import { operations, type GrantRefusal, type GrantResult, type RequestOf } from '@app/contract';
import { rawRequest } from '@app/test-support/network/raw-http';
import { answersIn, rawExchange } from '@app/test-support/network/raw-socket';
import { readGatewayConfig, startGateway } from './index.js';

const seen: RequestOf<'login'>[] = [];
let result: GrantResult;

@Controller()
class LoginController {
  @MessagePattern(operations.login.pattern)
  login(@Payload() request: RequestOf<'login'>): GrantResult {
    seen.push(request);
    return result;
  }
}

@Module({ controllers: [LoginController] })
class UserTokenModule {}

describe('gateway', () => {
  let stopUserToken: () => Promise<void>;
  let gateway: RunningHttpService;
  let start: (environment: Environment) => Promise<RunningHttpService>;

  beforeAll(async () => {
    const userToken = await NestFactory.createMicroservice<MicroserviceOptions>(UserTokenModule, {
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: 0 },
      logger: false,
    });
    await userToken.listen();
    stopUserToken = () => userToken.close();
    const { port } = userToken.unwrap<Server>().address() as AddressInfo;
    start = (environment: Environment) => {
      const shared = { PORT: '0', OPS_PORT: '0', USER_TOKEN_URL: `tcp://127.0.0.1:${port}` };
      const logger = createLogger({ service: 'gateway', environment: 'local', level: 'silent' });
      return startGateway(readGatewayConfig({ ...shared, ...environment }), { logger, store: undefined });
    };
    gateway = await start({
      ENVIRONMENT: 'local',
      TRUSTED_PROXY_HOPS: '1',
      LOGIN_REALMS: 'customers, partners',
    });
  });

  afterAll(async () => {
    await gateway.stop();
    await stopUserToken();
  });

  beforeEach(() => {
    seen.length = 0;
    result = { granted: true, token: { accessToken: 'a.b.c', expiresInSeconds: 60, scope: 's' } };
  });

  const login = (...headers: string[]) =>
    rawRequest(`http://127.0.0.1:${gateway.port}/auth/login`, {
      method: 'POST',
      headers: ['Content-Type', 'application/json', ...headers],
      body: JSON.stringify({ username: 'u', password: ' p ', audience: 'x', scope: 'admin' }),
    });

  it('passes on the exact input of the user, and no forged values of a client', async () => {
    expect((await login()).status).toBe(200);
    expect(seen).toEqual([
      { requestId: expect.any(String), username: 'u', password: ' p ', clientAddress: '127.0.0.1' },
    ]);
  });

  it.each([
    ['what its proxy saw', '203.0.113.7', '203.0.113.7'],
    ['the last hop only', '198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['IPv6', '2001:db8::1', '2001:db8::1'],
    ['an IPv4 address in IPv6 spelling', '::ffff:203.0.113.7', '203.0.113.7'],
    ['no zone', 'fe80::1%eth0', 'fe80::1'],
    ['without its port', '203.0.113.7:50001', '203.0.113.7'],
    ['IPv6 without brackets and port', '[2001:db8::1]:443', '2001:db8::1'],
    ["its proxy's rather than garbage", 'unknown', '127.0.0.1'],
    ["its proxy's rather than nothing", '203.0.113.7,', '127.0.0.1'],
  ])("tells the end user's address: %s", async (_title, forwarded, address) => {
    expect((await login('X-Forwarded-For', forwarded, 'Auth0-Forwarded-For', '192.0.2.1')).status).toBe(200);
    expect(seen[0]!.clientAddress).toBe(address);
  });

  describe('asked for a realm', () => {
    const loginWith = (realm: unknown, { port } = gateway) =>
      rawRequest(`http://127.0.0.1:${port}/auth/login`, {
        method: 'POST',
        headers: ['Content-Type', 'application/json'],
        body: JSON.stringify({ username: 'u', password: 'p', realm }),
      });

    it.each(['customers', 'partners'])('passes on one of LOGIN_REALMS: %s', async (realm) => {
      expect((await loginWith(realm)).status).toBe(200);
      expect(seen).toMatchObject([{ realm }]);
    });

    it.each([
      ['another connection of the tenant', 'staff'],
      ['another spelling', 'Customers'],
      ['the beginning of one', 'customer'],
      ['all of them', 'customers, partners'],
      ['none by an empty name', ''],
      ['a list', ['customers']],
    ])('refuses %s, without a question to user-token', async (_title, realm) => {
      const answer = await loginWith(realm);
      expect(answer.status).toBe(400);
      expect(JSON.parse(answer.body)).toEqual({
        error: 'invalid_request',
        error_description: expect.stringContaining('realm: '),
      });
      expect(seen).toEqual([]);
    });

    it('accepts none without LOGIN_REALMS, except locally the bundled one', async () => {
      const dev = await start({
        ENVIRONMENT: 'dev',
        HOST: '127.0.0.1',
        OPS_HOST: '127.0.0.1',
        AUTH0_ISSUER_URL: 'https://acme-dev.auth0.com/',
        AUTH0_AUDIENCE: 'https://api.venue.example/',
        REDIS_URL: 'redis://127.0.0.1:1',
        TOKEN_CACHE_SECRET: 'x'.repeat(32),
      });
      const local = await start({ ENVIRONMENT: 'local' });
      try {
        const realm = 'Username-Password-Authentication';
        expect((await loginWith(realm, dev)).status).toBe(400);
        expect((await loginWith(undefined, dev)).status).toBe(200);
        expect((await loginWith(realm, local)).status).toBe(200);
      } finally {
        await Promise.all([dev.stop(), local.stop()]);
      }
    });
  });

  it.each<[GrantRefusal, number]>([
    ['invalid_grant', 401],
    ['invalid_request', 400],
    ['too_many_attempts', 429],
    ['password_leaked', 403],
    ['mfa_required', 403],
    ['requires_verification', 403],
  ])('answers %s with %i', async (error, status) => {
    result = { granted: false, error };
    const answer = await login();
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toEqual({ error, error_description: expect.any(String) });
    expect(answer.headers['retry-after']).toBe(status === 429 ? '60' : undefined);
    expect(answer.headers['www-authenticate']).toBe(status === 401 ? 'Bearer realm="gateway"' : undefined);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  describe('asked with long values', () => {
    const loginWith = (credentials: { username?: string; password?: string }) =>
      rawRequest(`http://127.0.0.1:${gateway.port}/auth/login`, {
        method: 'POST',
        headers: ['Content-Type', 'application/json'],
        body: JSON.stringify({ username: 'u', password: 'p', ...credentials }),
      });
    const grantWith = (credentials: { username?: string; password?: string }) =>
      rawRequest(`http://127.0.0.1:${gateway.port}/oauth2/token`, {
        method: 'POST',
        headers: [
          'Content-Type',
          'application/x-www-form-urlencoded',
          'Authorization',
          `Basic ${Buffer.from('portal:portal-secret-for-local-use').toString('base64')}`,
        ],
        body: new URLSearchParams({
          grant_type: 'password',
          username: 'u',
          password: 'p',
          ...credentials,
        }).toString(),
      });
    const fronts = [
      ['/auth/login', loginWith],
      ['/oauth2/token', grantWith],
    ] as const;

    describe.each(fronts)('at %s', (_path, ask) => {
      it.each([
        ['a password of 1,800 Chinese characters', { password: '密'.repeat(1_800) }],
        ['a password of 1,366 Chinese characters', { password: '密'.repeat(1_366) }],
        ['a password of 2,049 letters with umlauts', { password: 'ü'.repeat(2_049) }],
        ['a password of 1,025 emoji', { password: '🙂'.repeat(1_025) }],
        ['a password of 4,097 letters', { password: 'x'.repeat(4_097) }],
        ['a user name of 107 Chinese characters', { username: '密'.repeat(107) }],
        ['a user name of 321 letters', { username: 'x'.repeat(321) }],
      ])('refuses %s, without a question to user-token', async (_title, credentials) => {
        const answer = await ask(credentials);
        expect(answer.status).toBeGreaterThanOrEqual(400);
        expect(answer.status).toBeLessThan(500);
        expect(JSON.parse(answer.body)).toMatchObject({ error: 'invalid_request' });
        expect(answer.body).not.toMatch(/密|ü|🙂|xxx/);
        expect(seen).toEqual([]);
      });

      it.each([
        ['a password of 1,365 Chinese characters', { password: '密'.repeat(1_365) }],
        ['a password of 1,024 emoji', { password: '🙂'.repeat(1_024) }],
        ['a password of 4,096 letters', { password: 'x'.repeat(4_096) }],
        ['a user name of 106 Chinese characters', { username: '密'.repeat(106) }],
      ])('passes on %s', async (_title, credentials) => {
        expect((await ask(credentials)).status).toBe(200);
        expect(seen).toMatchObject([credentials]);
      });
    });

    it('refuses half a surrogate pair, which would be sent on as another password', async () => {
      expect((await loginWith({ password: 'p\ud83d' })).status).toBe(400);
      expect(seen).toEqual([]);
    });
  });

  it.each(['GET', 'PUT', 'DELETE'])('does not accept %s for a log-in', async (method) => {
    const answer = await rawRequest(`http://127.0.0.1:${gateway.port}/auth/login`, { method });
    expect(answer.status).toBe(404);
  });

  it.each([
    [
      'a log-in at a malformed path',
      'POST /auth/%ZZcanary HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['a malformed path', 'GET /auth/%ZZcanary HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400],
    [
      'a malformed path for clients',
      'GET /oauth2/canary% HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      400,
    ],
    ['no Host', 'POST /oauth2/token HTTP/1.1\r\n\r\n', 400],
    ['CONNECT', 'CONNECT canary:443 HTTP/1.1\r\nHost: a\r\n\r\n', 405],
    ['no HTTP', 'canary\r\n\r\n', 400],
    ['a header that is too large', `GET /auth/me HTTP/1.1\r\nHost: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ])('answers %s as any other refusal', async (_title, request, status) => {
    const answers = answersIn(await rawExchange(gateway.port, request));
    expect(answers).toMatchObject([
      {
        status,
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'cache-control': 'no-store',
          pragma: 'no-cache',
          'x-content-type-options': 'nosniff',
          'x-request-id': expect.any(String),
        },
      },
    ]);
    expect(JSON.parse(answers[0]!.body)).toEqual({
      error: 'invalid_request',
      error_description: expect.not.stringContaining('canary'),
    });
  });
});

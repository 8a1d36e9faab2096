import type { AddressInfo, Server } from 'node:net';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload, Transport, type MicroserviceOptions } from '@nestjs/microservices';
import { createLogger, type RunningHttpService } from '@app/ops';
import { patterns, type GrantRefusal, type GrantResult, type LoginRequest } from '@app/user-token-client';
import { rawRequest } from '../../../test/support/raw-http.js';
import { readGatewayConfig, startGateway } from './index.js';

const seen: LoginRequest[] = [];
let result: GrantResult;

@Controller()
class LoginController {
  @MessagePattern(patterns.login)
  login(@Payload() request: LoginRequest): GrantResult {
    seen.push(request);
    return result;
  }
}

@Module({ controllers: [LoginController] })
class UserTokenModule {}

describe('gateway', () => {
  let stopUserToken: () => Promise<void>;
  let gateway: RunningHttpService;

  beforeAll(async () => {
    const userToken = await NestFactory.createMicroservice<MicroserviceOptions>(UserTokenModule, {
      transport: Transport.TCP,
      options: { host: '127.0.0.1', port: 0 },
      logger: false,
    });
    await userToken.listen();
    stopUserToken = () => userToken.close();
    const { port } = userToken.unwrap<Server>().address() as AddressInfo;
    const config = readGatewayConfig({
      ENVIRONMENT: 'local',
      PORT: '0',
      OPS_PORT: '0',
      TRUSTED_PROXY_HOPS: '1',
      USER_TOKEN_URL: `tcp://127.0.0.1:${port}`,
    });
    const logger = createLogger({ service: 'gateway', environment: 'local', level: 'silent' });
    gateway = await startGateway(config, { logger, store: undefined });
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

  it('passes on what the user typed, and nothing that a client made up', async () => {
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
    ['nothing rather than garbage', 'unknown', undefined],
  ])("tells the end user's address: %s", async (_title, forwarded, address) => {
    expect((await login('X-Forwarded-For', forwarded, 'Auth0-Forwarded-For', '192.0.2.1')).status).toBe(200);
    expect(seen[0]!.clientAddress).toBe(address);
  });

  it.each<[GrantRefusal, number]>([
    ['invalid_grant', 401],
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

  it.each(['GET', 'PUT', 'DELETE'])('does not take %s for a log-in', async (method) => {
    const answer = await rawRequest(`http://127.0.0.1:${gateway.port}/auth/login`, { method });
    expect(answer.status).toBe(404);
  });
});

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConnectProxy } from '@app/test-support/network/connect-proxy';
import { issuerFetch, type IssuerProxy } from './issuer-fetch.js';
import { IssuerKeys } from './issuer-keys.js';
import { OpenidAuthorizationServer } from './openid-authorization-server.js';

const ISSUER = 'http://issuer.test/';
const silent = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

describe('the way to the authorization server', () => {
  let proxy: ConnectProxy;
  let server: Server;
  let serverUrl: string;
  let paths: string[];
  let answer: { status: number; headers?: Record<string, string> } | undefined;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const forwarded = [request.headers['auth0-forwarded-for'] ?? []].flat();
      paths.push([`${request.headers.host}${request.url}`, ...forwarded].join(' '));
      response.setHeader('content-type', 'application/json');
      if (request.url === '/.well-known/openid-configuration') {
        const names = { token_endpoint: 'oauth/token', jwks_uri: 'jwks', userinfo_endpoint: 'userinfo' };
        const endpoints = Object.entries(names).map(([name, path]) => [name, `${ISSUER}${path}`]);
        return response.end(
          JSON.stringify({
            issuer: ISSUER,
            revocation_endpoint: `${ISSUER}oauth/revoke`,
            ...Object.fromEntries(endpoints),
          }),
        );
      }
      if (answer) return response.writeHead(answer.status, answer.headers).end('{}');
      const body = {
        '/jwks': { keys: [] },
        '/userinfo': { sub: 'auth0|ada' },
        '/oauth/token': { access_token: 'a.b.c', token_type: 'Bearer', expires_in: 60 },
      }[request.url ?? ''];
      response.end(JSON.stringify(body ?? {}));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    serverUrl = `http://127.0.0.1:${port}`;
  });

  beforeEach(async () => {
    paths = [];
    answer = undefined;
    proxy = await ConnectProxy.start();
    proxy.hosts.set('issuer.test', (server.address() as AddressInfo).port);
  });

  afterEach(() => proxy.stop());

  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const upstream = (settings: Partial<IssuerProxy> = {}) =>
    new OpenidAuthorizationServer({
      issuer: ISSUER,
      clientId: 'client',
      clientSecret: 'canary-secret',
      audience: 'https://api.test/',
      scope: 'openid',
      timeoutMs: 10_000,
      fetch: fetchThrough(settings),
    });
  const fetchThrough = (settings: Partial<IssuerProxy> = {}) =>
    issuerFetch({ url: proxy.url, noProxy: '', ...settings });
  const credentials = { username: 'ada', password: 'canary-password' };

  it('leads through the proxy for each kind of request', async () => {
    const one = upstream();
    expect(await one.grantPassword({ ...credentials, clientAddress: '203.0.113.7' })).toMatchObject({
      granted: true,
    });
    await one.grantRefresh('refresh');
    await one.revoke('refresh');
    expect(await one.userInfo('opaque-token-0001')).toMatchObject({ active: true });
    const keys = new IssuerKeys({
      jwksUri: () => one.jwksUri(),
      timeoutMs: 10_000,
      refreshAfterSeconds: 600,
      maxStaleSeconds: 3_600,
      fetchLimit: { fetches: 2, seconds: 30 },
      grantedFetchLimit: { fetches: 2, seconds: 30 },
      clockToleranceSeconds: 5,
      fetch: fetchThrough(),
      log: silent,
    });
    await keys.load();
    expect(paths).toEqual([
      'issuer.test/.well-known/openid-configuration',
      'issuer.test/oauth/token 203.0.113.7',
      'issuer.test/oauth/token',
      'issuer.test/oauth/revoke',
      'issuer.test/userinfo',
      'issuer.test/jwks',
    ]);
    expect(new Set(proxy.asked)).toEqual(new Set(['issuer.test:80']));
  });

  it('has credentials for the proxy', async () => {
    const url = new URL(proxy.url);
    [url.username, url.password] = ['user', 'pass%40word'];
    await upstream({ url: url.href }).jwksUri();
    expect(proxy.credentials).toEqual([`Basic ${Buffer.from('user:pass@word').toString('base64')}`]);
  });

  it.each([
    ['a host', 'example.org,.local,0.0.0.0'],
    ['a host and its port', (port: number) => `0.0.0.0:${port}`],
    ['all hosts', '*'],
  ])('leads past the proxy if NO_PROXY has %s', async (_title, noProxy) => {
    const everywhere = createServer((_request, response) => response.end('here'));
    await new Promise<void>((resolve) => everywhere.listen(0, '0.0.0.0', resolve));
    const { port } = everywhere.address() as AddressInfo;
    const fetch = fetchThrough({ noProxy: typeof noProxy === 'string' ? noProxy : noProxy(port) });
    try {
      expect(await (await fetch(`http://0.0.0.0:${port}/`)).text()).toBe('here');
      expect(proxy.asked).toEqual([]);
    } finally {
      everywhere.closeAllConnections();
      everywhere.close();
    }
  });

  it('leads through the proxy to hosts with a similar name', async () => {
    proxy.hosts.set('0.0.0.0', (server.address() as AddressInfo).port);
    const fetch = fetchThrough({ noProxy: '0.0.0.0:81,10.0.0.0,test' });
    expect((await fetch('http://0.0.0.0/userinfo')).status).toBe(200);
    expect(proxy.asked).toEqual(['0.0.0.0:80']);
  });

  it("is Node's own fetch without a proxy", async () => {
    expect(issuerFetch(undefined)).toBe(globalThis.fetch);
    expect((await issuerFetch(undefined)(`${serverUrl}/userinfo`)).status).toBe(200);
  });

  it('passes on an answer through the proxy, with its Retry-After', async () => {
    const one = upstream();
    await one.jwksUri();
    answer = { status: 429, headers: { 'retry-after': '17' } };
    await expect(one.grantPassword(credentials)).rejects.toMatchObject({
      message: expect.stringContaining('answered 429'),
      retryAfterSeconds: 17,
    });
  });

  it.each<[string, () => Partial<IssuerProxy>, RegExp]>([
    [
      'requires credentials',
      () => {
        proxy.refusal = '407 Proxy Authentication Required';
        return {};
      },
      /Proxy response \(407\)/,
    ],
    [
      'does not reach the server',
      () => {
        proxy.hosts.clear();
        return {};
      },
      /Proxy response \(502\)/,
    ],
    ['is down', () => ({ url: 'http://user:canary-password@127.0.0.1:9' }), /ECONNREFUSED/],
  ])('names the fault when the proxy %s', async (_title, settings, message) => {
    const asking = upstream(settings()).grantPassword(credentials);
    await expect(asking).rejects.toThrow(message);
    await expect(asking).rejects.not.toThrow(/canary/);
  });
});

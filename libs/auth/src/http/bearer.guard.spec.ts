import type { AddressInfo } from 'node:net';
import { Body, Controller, Get, Module, Post, UseGuards, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { openStore, type SharedStore } from '@app/store';
import { EPOCH_CHANNEL, epochKey, principalKey, subjectKey } from '@app/contract';
import fc from 'fast-check';
import { asToken } from '@app/test-support/issuer/as-token';
import { rawRequest, type RawResponse } from '@app/test-support/network/raw-http';
import { giveGeneration } from '@app/test-support/redis/store-generation';
import { active, startFakeUserToken, type FakeUserToken } from '@app/test-support/suite/fake-user-token';
import {
  AuthModule,
  BearerGuard,
  CurrentUser,
  Permissions,
  Public,
  Scopes,
  type Principal,
} from '../index.js';

@Controller()
@UseGuards(BearerGuard)
class RoutesController {
  @Get('anyone') @Public() anyone() {
    return 'anyone';
  }
  @Get('me') me(@CurrentUser() user: Principal) {
    return { subject: user.subject };
  }
  @Get('read') @Scopes('read:venues') read() {
    return 'read';
  }
  @Get('write') @Permissions('write:venues') write() {
    return 'write';
  }
  @Post('form') form(@Body() body: unknown) {
    return body;
  }
}

const SECRET = 'a-secret-that-seals-the-token-cache-entries';
const INVALID_TOKEN = [
  'Bearer realm="api"',
  'error="invalid_token"',
  'error_description="The access token provided is expired, revoked, malformed, or invalid for other reasons"',
].join(', ');

/** Opaque, canonical, and different each time. */
let serial = 0;
function newToken(): string {
  serial += 1;
  return `opaque-token-${String(serial).padStart(8, '0')}`;
}

async function start(
  platform: string,
  userToken: FakeUserToken,
  store: SharedStore | undefined,
): Promise<{ app: INestApplication; url: string }> {
  @Module({
    imports: [
      AuthModule.forRoot({
        audience: 'https://api.test/',
        userToken: { urls: userToken.url, verifyTimeoutMs: 500 },
        store,
        cache: { secret: SECRET },
      }),
    ],
    controllers: [RoutesController],
  })
  class RoutesModule {}
  const app =
    platform === 'fastify'
      ? await NestFactory.create<NestFastifyApplication>(
          RoutesModule,
          new FastifyAdapter({ requestIdHeader: 'x-request-id' }),
          {
            logger: ['error'],
            abortOnError: false,
          },
        )
      : await NestFactory.create(RoutesModule, new ExpressAdapter(), {
          logger: ['error'],
          abortOnError: false,
        });
  await app.listen(0, '127.0.0.1');
  return {
    app,
    url: `http://127.0.0.1:${(app.getHttpServer() as { address(): AddressInfo }).address().port}`,
  };
}

describe.each(['fastify', 'express'])('BearerGuard on %s', (platform) => {
  let userToken: FakeUserToken;
  let store: SharedStore;
  let app: INestApplication;
  let url: string;

  beforeAll(async () => {
    userToken = await startFakeUserToken();
    store = openStore('memory:');
    await giveGeneration(store);
    ({ app, url } = await start(platform, userToken, store));
  });

  afterAll(async () => {
    await app.close();
    await store.close();
    await userToken.stop();
  });

  beforeEach(() => {
    userToken.asked.length = 0;
    userToken.behave(() => active());
  });

  const get = (path: string, ...authorization: string[]): Promise<RawResponse> =>
    rawRequest(`${url}${path}`, { headers: authorization.flatMap((value) => ['Authorization', value]) });

  it('lets an active token in and names its user', async () => {
    const response = await get('/me', `Bearer ${newToken()}`);
    expect(response).toMatchObject({ status: 200, body: '{"subject":"auth0|ada"}' });
  });

  it('accepts any numbering of requests by the application', async () => {
    const headers = ['Authorization', `Bearer ${newToken()}`, 'X-Request-Id', 'r'.repeat(100)];
    expect(await rawRequest(`${url}/me`, { headers })).toMatchObject({ status: 200 });
  });

  it('asks about a token once and then remembers it', async () => {
    const token = newToken();
    await get('/me', `Bearer ${token}`);
    const again = await get('/me', `Bearer ${token}`);
    expect(again.status).toBe(200);
    expect(userToken.asked).toEqual([token]);
  });

  it('judges a hit as it judges a miss, whatever the principal and the route', async () => {
    const nowSeconds = Math.floor(Date.now() / 1000);
    const anyPrincipal = fc.record({
      scopes: fc.subarray(['read:venues', 'read:venue', 'write:venues']),
      permissions: fc.subarray(['read:venues', 'write:venues']),
      audience: fc.subarray(['https://api.test/', 'https://api.test', 'https://other.test/']),
      expiresAtSeconds: fc.constantFrom(nowSeconds - 1, nowSeconds, nowSeconds + 600),
    });
    const anyRoute = fc.constantFrom('/me', '/read', '/write');
    await fc.assert(
      fc.asyncProperty(anyPrincipal, anyRoute, anyRoute, async (overrides, first, second) => {
        userToken.behave(() => active(overrides));
        const [seen, unseen] = [`Bearer ${newToken()}`, `Bearer ${newToken()}`];
        await get(first, seen);
        const [hit, miss] = [await get(second, seen), await get(second, unseen)];
        const judgement = ({ status, body, headers }: RawResponse) => [
          status,
          body,
          headers['www-authenticate'],
        ];
        expect(judgement(hit)).toEqual(judgement(miss));
      }),
      { numRuns: 200 },
    );
  });

  it('asks once for requests that arrive together', async () => {
    userToken.behave(() => new Promise((resolve) => setTimeout(() => resolve(active()), 30)));
    const token = newToken();
    const responses = await Promise.all(Array.from({ length: 20 }, () => get('/me', `Bearer ${token}`)));
    expect(responses.map(({ status }) => status)).toEqual(Array(20).fill(200));
    expect(userToken.asked).toEqual([token]);
  });

  it.each(['Bearer', 'bearer', 'BEARER', 'Bearer '])('takes the scheme spelled %p', async (scheme) => {
    expect((await get('/me', `${scheme} ${newToken()}`)).status).toBe(200);
  });

  it('opens a @Public() route to every request, whatever it sends', async () => {
    expect(await get('/anyone')).toMatchObject({ status: 200, body: 'anyone' });
    expect(await get('/anyone', 'Bearer !')).toMatchObject({ status: 200 });
    expect(userToken.asked).toEqual([]);
  });

  describe('refuses, without a question to user-token,', () => {
    it.each([
      ['a request without credentials', []],
      ['another scheme', ['Basic YWRhOnB3']],
      ['a scheme that only begins like Bearer', ['Bearertoken-0123456789abcdef']],
    ])('%s with a bare challenge', async (_title, authorization) => {
      const response = await get('/me', ...authorization);
      expect(response.status).toBe(401);
      expect(response.headers['www-authenticate']).toBe('Bearer realm="api"');
      expect(userToken.asked).toEqual([]);
    });

    it.each([
      ['two Authorization headers', ['Bearer token-0123456789abcdef', 'Bearer token-0123456789abcdef']],
      [
        'two Authorization headers of which one is Basic',
        ['Basic YWRhOnB3', 'Bearer token-0123456789abcdef'],
      ],
      ['a scheme without a token', ['Bearer']],
      ['two tokens', ['Bearer token-0123456789abcdef other']],
      ['a list of tokens', ['Bearer token-0123456789abcdef, Bearer b']],
      ['a character outside of the grammar', ['Bearer token-0123456789"abcdef']],
      ['padding in the middle', ['Bearer token=0123456789abcdef']],
      ['a tab after the scheme', ['Bearer\ttoken-0123456789abcdef']],
      ['a tab within the token', ['Bearer token-0123\t456789abcdef']],
    ])('%s as invalid_request', async (_title, authorization) => {
      const response = await get('/me', ...authorization);
      expect(response.status).toBe(authorization[0]!.startsWith('Bearer\t') ? 401 : 400);
      if (response.status === 400)
        expect(response.headers['www-authenticate']).toContain('error="invalid_request"');
      expect(userToken.asked).toEqual([]);
    });

    it.each([
      ['a token too short to be one', 'abc'],
      [
        'a JWT whose last character has other unused bits',
        'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJ',
      ],
      ['a padded JWT', 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXI='],
      ['a JWT without a signature', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.'],
      ['a token of two parts', 'aaaaaaaaaaaaaaaa.bbbb'],
      ['a token of more than 12 KiB', 'a'.repeat(12_289)],
    ])('%s as invalid_token', async (_title, token) => {
      const response = await get('/me', `Bearer ${token}`);
      expect(response.status).toBe(401);
      expect(response.headers['www-authenticate']).toBe(INVALID_TOKEN);
      expect(userToken.asked).toEqual([]);
    });

    it('a token in the query', async () => {
      const response = await get(`/me?access_token=${newToken()}`);
      expect(response.status).toBe(401);
      expect(response.headers['www-authenticate']).toBe('Bearer realm="api"');
    });

    it('a token in the query next to one in the header', async () => {
      const response = await get(`/me?access_token=${newToken()}`, `Bearer ${newToken()}`);
      expect(response.status).toBe(400);
      expect(response.headers['www-authenticate']).toContain('error="invalid_request"');
    });

    it.each([
      ['a form body', 'application/x-www-form-urlencoded', 'access_token=token-0123456789abcdef'],
      ['a JSON body', 'application/json', '{"access_token":"token-0123456789abcdef"}'],
    ])('a token in %s', async (_title, type, body) => {
      const response = await rawRequest(`${url}/form`, {
        method: 'POST',
        headers: ['Content-Type', type],
        body,
      });
      expect(response.status).toBe(401);
    });
  });

  it('refuses a token that user-token refuses, and remembers the refusal', async () => {
    userToken.behave(() => ({ active: false, reason: 'expired' }));
    const token = newToken();
    for (let i = 0; i < 3; i += 1) {
      const response = await get('/me', `Bearer ${token}`);
      expect(response.status).toBe(401);
      expect(response.headers['www-authenticate']).toBe(INVALID_TOKEN);
    }
    expect(userToken.asked).toEqual([token]);
  });

  it('remembers a refusal, and a principal, however the scheme is spelled', async () => {
    for (const verdict of [{ active: false, reason: 'expired' } as const, active()]) {
      userToken.behave(() => verdict);
      userToken.asked.length = 0;
      const token = newToken();
      for (const scheme of ['Bearer', 'bearer', 'BEARER ', 'Bearer '])
        expect((await get('/me', `${scheme} ${token}`)).status).toBe(verdict.active ? 200 : 401);
      expect(userToken.asked).toEqual([token]);
    }
  });

  it('refuses a token for another audience, known or not', async () => {
    userToken.behave(() => active({ audience: ['https://other.test/'] }));
    const token = newToken();
    expect((await get('/me', `Bearer ${token}`)).status).toBe(401);
    expect((await get('/me', `Bearer ${token}`)).status).toBe(401);
  });

  it('refuses a known token from the second of its expiry on', async () => {
    const expiresAtSeconds = Math.floor(Date.now() / 1000) + 1;
    userToken.behave(() => active({ expiresAtSeconds }));
    const token = newToken();
    expect((await get('/me', `Bearer ${token}`)).status).toBe(200);
    userToken.behave(() => ({ active: false, reason: 'expired' }));
    await new Promise((resolve) => setTimeout(resolve, expiresAtSeconds * 1000 - Date.now() + 5));
    expect((await get('/me', `Bearer ${token}`)).status).toBe(401);
  });

  it.each([
    ['scope', '/read', { scopes: [] }, 'scope="read:venues"'],
    ['permission', '/write', { permissions: ['read:venues'] }, 'scope="write:venues"'],
  ])(
    'answers 403 insufficient_scope without the %s, on a miss and on a hit',
    async (_title, path, overrides, scope) => {
      userToken.behave(() => active(overrides));
      const token = newToken();
      for (let i = 0; i < 2; i += 1) {
        const response = await get(path, `Bearer ${token}`);
        expect(response.status).toBe(403);
        expect(response.headers['www-authenticate']).toContain(`error="insufficient_scope"`);
        expect(response.headers['www-authenticate']).toContain(scope);
      }
    },
  );

  it('judges each route by itself, even when another route has filled the cache (CVE-2021-32701)', async () => {
    userToken.behave(() => active({ scopes: ['read:venues'], permissions: [] }));
    const token = newToken();
    for (let i = 0; i < 20; i += 1) {
      const [read, write] = await Promise.all([
        get('/read', `Bearer ${token}`),
        get('/write', `Bearer ${token}`),
      ]);
      expect([read.status, write.status]).toEqual([200, 403]);
    }
    expect(userToken.asked).toHaveLength(1);
  });

  it.each([
    [
      'user-token cannot reach a verdict',
      { code: 'upstream_unavailable', message: 'Auth0 is away', retryAfterSeconds: 7 },
      '7',
    ],
    ['user-token does not answer', 'silence', '1'],
  ] as const)(
    'answers 503 with Retry-After when %s, and keeps nothing of it',
    async (_title, behaviour, retryAfter) => {
      userToken.behave(() => behaviour);
      const token = newToken();
      const response = await get('/me', `Bearer ${token}`);
      expect(response.status).toBe(503);
      expect(response.headers['retry-after']).toBe(retryAfter);
      expect(response.headers['www-authenticate']).toBeUndefined();
      userToken.behave(() => active());
      expect((await get('/me', `Bearer ${token}`)).status).toBe(200);
    },
  );

  it('forgets a subject whose epoch changes', async () => {
    const token = newToken();
    userToken.behave(() => active({ subject: 'auth0|grace' }));
    expect((await get('/me', `Bearer ${token}`)).status).toBe(200);
    userToken.behave(() => ({ active: false, reason: 'revoked' }));
    await revoke(store, 'auth0|grace', 'epoch-2');
    expect((await get('/me', `Bearer ${token}`)).status).toBe(401);
  });

  it('does not cache a verdict that a revocation has overtaken', async () => {
    const token = newToken();
    userToken.behave(async () => {
      await revoke(store, 'auth0|mallory', 'epoch-2');
      userToken.behave(() => ({ active: false, reason: 'revoked' }));
      return active({ subject: 'auth0|mallory' }, 'epoch-1');
    });
    expect((await get('/me', `Bearer ${token}`)).status).toBe(401);
    expect((await get('/me', `Bearer ${token}`)).status).toBe(401);
  });

  it('keeps neither tokens nor readable names of them in the store', async () => {
    const token = newToken();
    await get('/me', `Bearer ${token}`);
    for await (const { key, value } of store.scan('')) {
      expect(key).toMatch(/^tok:v2:[\w-]{43}$|^epoch:v2:\{[\w-]{3}\}:[\w-]{43}$|^generation:v1$/);
      expect(value).not.toContain(token);
    }
  });

  it('treats a moved or forged value in the store as a miss', async () => {
    const [adas, bobs] = [newToken(), newToken()];
    userToken.behave((token) => active({ subject: token === adas ? 'auth0|ada' : 'auth0|bob' }));
    const other = await start(platform, userToken, store);
    await get('/me', `Bearer ${adas}`);
    const entries = new Map<string, string>();
    for await (const { key, value } of store.scan('tok:')) entries.set(key, value);
    const stolen = entries.get(principalKey(asToken(adas)))!;
    for (const forged of [stolen, stolen.replaceAll('auth0|ada', 'auth0|root'), '{"value":"x"}', '{', '[]']) {
      await store.set(principalKey(asToken(bobs)), forged, { ttlMs: 60_000 });
      userToken.asked.length = 0;
      const response = await rawRequest(`${other.url}/me`, { headers: ['Authorization', `Bearer ${bobs}`] });
      expect(response.body).toBe('{"subject":"auth0|bob"}');
      expect(userToken.asked).toEqual([bobs]);
      await revoke(store, 'auth0|bob', `epoch-${Math.random()}`);
      userToken.behave((token) => active({ subject: token === adas ? 'auth0|ada' : 'auth0|bob' }, null));
    }
    await other.app.close();
  });

  it('finds what another process has put into the store', async () => {
    const token = newToken();
    await get('/me', `Bearer ${token}`);
    const other = await start(platform, userToken, store);
    userToken.asked.length = 0;
    const response = await rawRequest(`${other.url}/me`, { headers: ['Authorization', `Bearer ${token}`] });
    expect(response.status).toBe(200);
    expect(userToken.asked).toEqual([]);
    await other.app.close();
  });

  it('asks every time when no user-token maintains its store, e.g. because ENVIRONMENT differs', async () => {
    const another = openStore('memory:');
    const astray = await start(platform, userToken, another);
    const token = newToken();
    for (let i = 0; i < 2; i += 1) {
      const response = await rawRequest(`${astray.url}/me`, {
        headers: ['Authorization', `Bearer ${token}`],
      });
      expect(response.status).toBe(200);
    }
    expect(userToken.asked).toEqual([token, token]);
    await astray.app.close();
    await another.close();
  });

  it('asks every time when another user-token than the one it asks maintains its store', async () => {
    const another = openStore('memory:');
    await giveGeneration(another);
    const astray = await start(platform, userToken, another);
    const token = newToken();
    userToken.behave(() => ({ ...active(), generation: 'of the store of another deployment' }));
    for (let i = 0; i < 2; i += 1) {
      const response = await rawRequest(`${astray.url}/me`, {
        headers: ['Authorization', `Bearer ${token}`],
      });
      expect(response.status).toBe(200);
    }
    expect(userToken.asked).toEqual([token, token]);
    await astray.app.close();
    await another.close();
  });

  it('asks every time without a store, which alone announces revocations', async () => {
    const alone = await start(platform, userToken, undefined);
    const token = newToken();
    for (let i = 0; i < 2; i += 1) {
      const response = await rawRequest(`${alone.url}/me`, { headers: ['Authorization', `Bearer ${token}`] });
      expect(response.status).toBe(200);
    }
    expect(userToken.asked).toEqual([token, token]);
    await alone.app.close();
  });
});

function revoke(store: SharedStore, subject: string, epoch: string): Promise<void> {
  const message = JSON.stringify({ subjectKey: subjectKey(subject), epoch });
  return store.writeAll([
    { op: 'set', key: epochKey(subject), value: epoch, ttlMs: 60_000 },
    { op: 'publish', channel: EPOCH_CHANNEL, message },
  ]);
}

import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { Controller, Get, HttpCode, Module, Post, Req, Sse, StreamableFile, UseGuards } from '@nestjs/common';
import type { INestApplication, MessageEvent } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { openStore, type SharedStore } from '@app/store';
import { EPOCH_CHANNEL, epochKey, subjectKey } from '@app/contract';
import { Observable } from 'rxjs';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { giveGeneration } from '@app/test-support/redis/store-generation';
import { active, startFakeUserToken, type FakeUserToken } from '@app/test-support/suite/fake-user-token';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import {
  AuthModule,
  BearerGuard,
  BearerRefusal,
  Public,
  revoked,
  Scopes,
  VerdictUnavailable,
} from '../index.js';
import { RevocationWatch } from '../tokens/revocation-watch.js';

/** Signals in the order of the calls. */
const signals: AbortSignal[] = [];
/** Handlers wait for this before they call. */
let beforeAsking: () => Promise<void>;

@Controller()
@UseGuards(BearerGuard)
class StreamsController {
  @Sse('events') @Scopes('read:venues') events(@Req() request: object): Observable<MessageEvent> {
    const signal = ask(request);
    return new Observable((events) => {
      events.next({ data: 'first' });
      signal.addEventListener('abort', () => events.complete());
    });
  }
  /** Its request, body included, ends long before its answer. */
  @Post('download') @HttpCode(200) async download(@Req() request: object) {
    await beforeAsking();
    const signal = ask(request);
    const file = new PassThrough();
    file.write('first');
    if (signal.aborted) file.end();
    signal.addEventListener('abort', () => file.end());
    return new StreamableFile(file);
  }
  @Get('short') short(@Req() request: object) {
    return String(ask(request) === ask(request));
  }
  @Get('plain') plain() {
    return 'plain';
  }
  @Get('anyone') @Public() anyone(@Req() request: object) {
    return revoked(request);
  }
}

function ask(request: object): AbortSignal {
  const signal = revoked(request);
  signals.push(signal);
  return signal;
}

let serial = 0;
const newToken = () => `opaque-token-of-a-stream-${(serial += 1)}`;

async function start(
  platform: string,
  userToken: FakeUserToken,
  store: SharedStore | undefined,
): Promise<INestApplication> {
  const auth = AuthModule.forRoot({
    audience: 'https://api.test/',
    userToken: { urls: userToken.url, verifyTimeoutMs: 10_000 },
    store,
    cache: { secret: 'a-secret-that-seals-the-token-cache-entries' },
  });
  @Module({ imports: [auth], controllers: [StreamsController] })
  class StreamsModule {}
  const adapter = platform === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
  const app = await NestFactory.create<NestFastifyApplication>(StreamsModule, adapter as FastifyAdapter, {
    logger: false,
  });
  await app.listen(0, '127.0.0.1');
  return app;
}

/** A request with a started answer. */
async function open(
  app: INestApplication,
  path: string,
  token: string,
  agent: Agent | false = false,
): Promise<IncomingMessage> {
  const { port } = (app.getHttpServer() as { address(): AddressInfo }).address();
  const method = path === '/download' ? 'POST' : 'GET';
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const outgoing = httpRequest({ host: '127.0.0.1', port, path, method, headers, agent });
  outgoing.on('error', () => undefined);
  outgoing.end(method === 'POST' ? '{"name":"a body"}' : undefined);
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  return incoming;
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of incoming) body += String(chunk);
  return body;
}

const watched = (app: INestApplication) => app.get(RevocationWatch).size;

beforeEach(() => {
  signals.length = 0;
  beforeAsking = () => Promise.resolve();
});

describe.each(['fastify', 'express'])('revoked(request) on %s', (platform) => {
  let userToken: FakeUserToken;
  let store: SharedStore;
  let app: INestApplication;
  const refused = new Set<string>();

  /** As in user-token: the denial first, then the announcement. */
  async function revoke(subject: string, ...tokens: string[]): Promise<void> {
    for (const token of tokens) refused.add(token);
    const epoch = `epoch-${Math.random()}`;
    await store.writeAll([
      { op: 'set', key: epochKey(subject), value: epoch, ttlMs: 60_000 },
      {
        op: 'publish',
        channel: EPOCH_CHANNEL,
        message: JSON.stringify({ subjectKey: subjectKey(subject), epoch }),
      },
    ]);
  }

  beforeAll(async () => {
    userToken = await startFakeUserToken();
    store = openStore('memory:');
    await giveGeneration(store);
    app = await start(platform, userToken, store);
  });

  afterAll(async () => {
    await app.close();
    await store.close();
    await userToken.stop();
  });

  beforeEach(() => {
    userToken.asked.length = 0;
    userToken.behave(async (token) => {
      if (refused.has(token)) return { active: false, reason: 'revoked' };
      const [epoch] = await store.getMany([epochKey('auth0|ada')]);
      return active({}, epoch ?? '');
    });
  });

  it.each(['/events', '/download'])('ends %s when its token is revoked', async (path) => {
    const token = newToken();
    const answer = await open(app, path, token);
    expect(answer.statusCode).toBe(200);
    await revoke('auth0|ada', token);
    expect(await bodyOf(answer)).toContain('first');
    expect(signals[0]!.reason).toBeInstanceOf(BearerRefusal);
    expect(watched(app)).toBe(0);
  });

  it('leaves requests with another token of the same user, or of another user, open', async () => {
    const [revokedOne, other] = [newToken(), newToken()];
    const ended = await open(app, '/events', revokedOne);
    const goesOn = await open(app, '/events', other);
    await revoke('auth0|grace', 'no token');
    await revoke('auth0|ada', revokedOne);
    await bodyOf(ended);
    await until(() => userToken.asked.filter((token) => token === other).length === 2);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    await revoke('auth0|ada', other);
    await bodyOf(goesOn);
    expect(signals[1]!.aborted).toBe(true);
  });

  it('notices a revocation between the guard and the call', async () => {
    const token = newToken();
    beforeAsking = () => revoke('auth0|ada', token);
    await bodyOf(await open(app, '/download', token));
    expect(signals[0]!.reason).toBeInstanceOf(BearerRefusal);
  });

  it('notices a revocation while the first verdict is under way', async () => {
    const token = newToken();
    // Such a verdict is not cached, so the call has to ask again.
    userToken.behave(() => active({}, null));
    beforeAsking = async () => {
      userToken.behave(async () => {
        const verdict = active({}, null);
        userToken.behave(() => ({ active: false, reason: 'revoked' }));
        await revoke('auth0|ada', token);
        return verdict;
      });
    };
    await bodyOf(await open(app, '/download', token));
    expect(signals[0]!.reason).toBeInstanceOf(BearerRefusal);
  });

  it('ends a request that its user may no longer make', async () => {
    const token = newToken();
    const answer = await open(app, '/events', token);
    userToken.behave(() => active({ scopes: [] }));
    await revoke('auth0|ada', 'another session');
    await bodyOf(answer);
    expect((signals[0]!.reason as BearerRefusal).getStatus()).toBe(403);
  });

  it('watches a request only after a call', async () => {
    await bodyOf(await open(app, '/plain', newToken()));
    expect(watched(app)).toBe(0);
  });

  it('returns one signal for all calls, and watches no finished request, on a kept or closed connection', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 30; i += 1) {
      expect(await bodyOf(await open(app, '/short', newToken(), i % 2 ? agent : false))).toBe('true');
    }
    agent.destroy();
    await until(() => watched(app) === 0);
    expect(signals.some(({ aborted }) => aborted)).toBe(false);
  });

  it('does not watch a disconnected client', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => open(app, i % 2 ? '/events' : '/download', newToken())),
    );
    expect(watched(app)).toBe(10);
    for (const answer of answers) answer.destroy();
    await until(() => watched(app) === 0);
  });

  it('throws for a request that the guard has not let in', async () => {
    expect((await open(app, '/anyone', newToken())).statusCode).toBe(500);
    expect(() => revoked({})).toThrow('revoked() is for requests that BearerGuard has let in');
  });

  it('ends when the application stops, and does not delay the stop', async () => {
    const stopping = await start(platform, userToken, store);
    const answer = await open(stopping, '/events', newToken());
    await Promise.all([stopping.close(), bodyOf(answer)]);
    expect(signals[0]!.reason).toBeInstanceOf(VerdictUnavailable);
  });
});

describe('revoked(request) as time passes', () => {
  let redis: RedisServer;
  let store: SharedStore;
  let userToken: FakeUserToken;
  let app: INestApplication;

  beforeEach(async () => {
    redis = await RedisServer.start();
    store = openStore(redis.url, PATIENT);
    await new Promise<void>((resolve) => store.onAvailable(resolve));
    await giveGeneration(store);
    userToken = await startFakeUserToken();
    userToken.behave(() => active());
    app = await start('fastify', userToken, store);
  });

  afterEach(async () => {
    await app.close();
    await store.close();
    await userToken.stop();
    await redis.stop();
  });

  it('ends when the token expires', async () => {
    const expiresAtSeconds = Math.floor(Date.now() / 1000) + 5;
    userToken.behave(() => active({ expiresAtSeconds }));
    await bodyOf(await open(app, '/events', newToken()));
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(expiresAtSeconds);
    expect(signals[0]!.reason).toBeInstanceOf(BearerRefusal);
  });

  it('goes on when user-token gives an opaque token more time', async () => {
    const token = newToken();
    const nextEnd = () => Math.floor(Date.now() / 1000) + 5;
    const firstEnd = nextEnd();
    userToken.behave(() => active({ expiresAtSeconds: nextEnd() }));
    const answer = await open(app, '/events', token);
    await until(() => Date.now() / 1000 > firstEnd + 1, 20_000);
    expect(signals[0]!.reason).toBeUndefined();
    userToken.behave(() => ({ active: false, reason: 'revoked' }));
    await bodyOf(answer);
  });

  it('asks again within 5 s without a store', async () => {
    const token = newToken();
    const alone = await start('fastify', userToken, undefined);
    const answer = await open(alone, '/events', token);
    // Once by the guard, once by the call.
    await until(() => userToken.asked.length === 2);
    userToken.behave(() => ({ active: false, reason: 'revoked' }));
    await bodyOf(answer);
    expect(signals[0]!.reason).toBeInstanceOf(BearerRefusal);
    await alone.close();
  });

  it('asks user-token while the revocation feed is lost', async () => {
    const answer = await open(app, '/events', newToken());
    await redis.kill();
    await until(() => userToken.asked.length > 2, 20_000);
    expect(signals[0]!.aborted).toBe(false);
    userToken.behave(() => ({ active: false, reason: 'revoked' }));
    await bodyOf(answer);
    expect(signals[0]!.reason).toBeInstanceOf(BearerRefusal);
  });

  it('asks about missed revocations once the feed is back', async () => {
    const token = newToken();
    const answer = await open(app, '/events', token);
    await redis.kill();
    userToken.behave(() => ({ active: false, reason: 'revoked' }));
    await redis.restart();
    await bodyOf(answer);
    expect(signals[0]!.reason).toBeInstanceOf(BearerRefusal);
  });

  it('tolerates some seconds without a verdict, and ends after more than 5 s', async () => {
    const answer = await open(app, '/events', newToken());
    const before = userToken.asked.length;
    userToken.behave(() => ({ code: 'store_unavailable', message: 'Redis is away' }));
    await redis.kill();
    await until(() => userToken.asked.length > before, 20_000);
    expect(signals[0]!.aborted).toBe(false);
    await bodyOf(answer);
    expect(signals[0]!.reason).toBeInstanceOf(VerdictUnavailable);
    expect(userToken.asked.length).toBeGreaterThan(before + 1);
  });
});

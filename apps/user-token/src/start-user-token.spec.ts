import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/store';
import { UserTokenClient, UserTokenUnavailable } from '@app/user-token-client';
import { asToken } from '@app/test-support/issuer/as-token';
import { ScriptedIssuer } from '@app/test-support/issuer/scripted-issuer';
import { FaultProxy } from '@app/test-support/network/fault-proxy';
import { until } from '@app/test-support/timing/until';
import { readUserTokenConfig, startUserToken, type RunningUserToken } from './index.js';

const openAt = (port: number): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket)).on('error', reject);
  });

function frame(message: unknown): string {
  const json = JSON.stringify(message);
  return `${json.length}#${json}`;
}

async function replyAt(port: number, message: unknown): Promise<any> {
  const socket = await openAt(port);
  socket.write(frame(message));
  const data = await new Promise<string>((resolve) =>
    socket.once('data', (chunk) => resolve(chunk.toString())),
  );
  socket.destroy();
  return JSON.parse(data.slice(data.indexOf('#') + 1));
}

/** The TCP listener under bad input; nothing here needs the authorization server, and none is there. */
describe('user-token on TCP', () => {
  const logs: string[] = [];
  let store: SharedStore;
  let userToken: RunningUserToken;
  let client: UserTokenClient;

  beforeAll(async () => {
    store = openStore('memory:');
    const config = readUserTokenConfig({
      ENVIRONMENT: 'local',
      PORT: '0',
      OPS_PORT: '0',
      AUTH0_ISSUER_URL: 'http://localhost:1/',
      MAX_CONNECTIONS: '5',
    });
    const destination = { write: (line: string) => void logs.push(line) };
    const logger = createLogger({ service: 'user-token', environment: 'local', level: 'trace', destination });
    userToken = await startUserToken(config, { store, logger });
    client = new UserTokenClient({ urls: `tcp://127.0.0.1:${userToken.port}` });
  });

  afterAll(async () => {
    client.close();
    await userToken.stop();
    await store.close();
  });

  const open = () => openAt(userToken.port);
  const reply = (message: unknown) => replyAt(userToken.port, message);
  const answers = () => client.verify({ accessToken: asToken('short') });

  it('answers a call', async () => {
    expect(await answers()).toEqual({ active: false, reason: 'malformed' });
  });

  it('says that it is ready on its ops listener, and what is not', async () => {
    const ready = () => fetch(`http://127.0.0.1:${userToken.opsPort}/health/ready`);
    // The authorization server is looked for at the start, which does not wait for it for long.
    await until(async () => ((await (await ready()).json()) as any).status === 'degraded');
    const answer = await ready();
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      info: { store: { status: 'up' }, issuer: { status: 'degraded' } },
    });
    expect((await fetch(`http://127.0.0.1:${userToken.opsPort}/health/live`)).status).toBe(200);
  });

  it.each<[string, string, unknown]>([
    ['no payload', 'token.verdicts', undefined],
    ['null', 'token.verdicts', null],
    ['a number', 'token.verdicts', 42],
    ['a list', 'token.verdicts', []],
    ['no tokens', 'token.verdicts', { requests: [] }],
    ['too many tokens', 'token.verdicts', { requests: Array(129).fill({ accessToken: 'a' }) }],
    ['a token that is an object', 'token.verdicts', { requests: [{ accessToken: { $ne: null } }] }],
    ['a token that is a list', 'token.verdicts', { requests: [{ accessToken: ['canary'] }] }],
    ['a token of more than 12 KiB', 'token.verdicts', { requests: [{ accessToken: 'a'.repeat(12_289) }] }],
    ['an unknown field', 'token.verdicts', { requests: [{ accessToken: 'a', audience: 'canary' }] }],
    ['an address that is none', 'session.login', { username: 'u', password: 'p', clientAddress: 'canary' }],
    ['no password', 'session.login', { username: 'u' }],
    ['a polluted prototype', 'session.logout', JSON.parse('{"__proto__":{"accessToken":"canary"}}')],
  ])('refuses %s before any handler, without repeating it', async (_title, pattern, data) => {
    const { err } = await reply({ pattern, data, id: '1' });
    expect(err).toMatchObject({ code: 'invalid_payload' });
    expect(JSON.stringify(err)).not.toContain('canary');
  });

  it('has no handler for a pattern that is not of the contract', async () => {
    expect(await reply({ pattern: 'session.steal', data: {}, id: '1' })).toMatchObject({ status: 'error' });
  });

  /** What comes back before the connection is closed. */
  async function untilClosed(bytes: string | Buffer): Promise<string> {
    const socket = await open();
    let answer = '';
    socket.on('error', () => undefined).on('data', (chunk) => (answer += chunk.toString()));
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(bytes);
    await closed;
    return answer;
  }
  const login = { username: 'canary', password: 'canary' };

  it.each<[string, string | Buffer]>([
    ['a length that is no number', 'abc#{}'],
    ['a negative length', '-5#{}'],
    ['an endless length', '1'.repeat(70_000)],
    ['a message of more than 64 KiB', `${80_000}#${'x'.repeat(80_000)}`],
    ['a message that is not JSON', '5#{{{{{'],
    ['a message that is not UTF-8', Buffer.from([0x33, 0x23, 0x22, 0xff, 0x22])],
    ['a message that is null', frame(null)],
    ['a message that is a list', frame([{ pattern: 'session.login', data: login, id: '1' }])],
    ['a message of another shape', frame({ method: 'session.login', params: login, id: '1' })],
    ['no id', frame({ pattern: 'session.login', data: login })],
    ['an id that is null', frame({ pattern: 'session.login', data: login, id: null })],
    ['an id that is an object', frame({ pattern: 'session.login', data: login, id: {} })],
    ['an id that is a number', frame({ pattern: 'session.login', data: login, id: 1 })],
    ['an id that is empty', frame({ pattern: 'session.login', data: login, id: '' })],
    ['an id that is long', frame({ pattern: 'session.login', data: login, id: '1'.repeat(65) })],
    ['no pattern', frame({ data: login, id: '1' })],
    ['a pattern that is an object', frame({ pattern: { cmd: 'session.login' }, data: login, id: '1' })],
    ['a pattern that is a list', frame({ pattern: ['session.login'], data: login, id: '1' })],
    ['a pattern that is a number', frame({ pattern: 1, data: login, id: '1' })],
    ['a pattern that is long', frame({ pattern: 'canary'.repeat(100), data: login, id: '1' })],
    ['an event without a handler', frame({ pattern: 'canary', data: login })],
    [
      'an envelope in its prototype',
      `68#{"__proto__":{"pattern":"session.login","data":{},"id":"1"},"a":1111}`,
    ],
  ])(
    'closes a connection at the first message with %s, runs no handler and serves the others',
    async (_title, bytes) => {
      logs.length = 0;
      expect(await untilClosed(bytes)).toBe('');
      expect(logs.join('')).not.toMatch(/session\.login|canary/);
      expect(await answers()).toMatchObject({ active: false });
    },
  );

  it('closes a connection that uses the id of a call under way for another one', async () => {
    const call = frame({ pattern: 'ping', data: {}, id: '1' });
    expect(await untilClosed(call + call)).toBe('');
  });

  it('knows an id again once its call was answered', async () => {
    const socket = await open();
    for (const pattern of ['ping', 'ping', 'session.steal', 'session.logout', 'session.logout', 'ping']) {
      const answer = once(socket, 'data');
      socket.write(frame({ pattern, data: {}, id: '1' }));
      await answer;
    }
    socket.destroy();
  });

  it.each(['"ping"', 'ping ', 'PING', '__proto__', 'constructor', 'toString'])(
    'has no handler for the pattern %p',
    async (pattern) => {
      expect(await reply({ pattern, data: {}, id: '1' })).toMatchObject({ status: 'error' });
    },
  );

  it('tells the time and names the token in its answers', async () => {
    const before = Date.now();
    const { response: pong } = await reply({ pattern: 'ping', data: {}, id: '1' });
    const { response: verdicts } = await reply({
      pattern: 'token.verdicts',
      data: { requests: [{ accessToken: 'short' }] },
      id: '1',
    });
    for (const { nowMs } of [pong, verdicts]) {
      expect(nowMs).toBeGreaterThanOrEqual(before);
      expect(nowMs).toBeLessThanOrEqual(Date.now());
    }
    const tokenHash = createHash('sha256').update('short').digest('base64url');
    expect(verdicts.answers).toEqual([
      { index: 0, tokenHash, verdict: { active: false, reason: 'malformed' } },
    ]);
  });

  it('answers services of the version before as they know it', async () => {
    const data = { requests: [{ accessToken: 'short' }] };
    expect(await reply({ pattern: 'token.verify', data, id: '1' })).toMatchObject({
      response: [{ index: 0, verdict: { active: false, reason: 'malformed' } }],
    });
    const { response } = await reply({ pattern: 'token.verify', data, id: '1' });
    expect(Object.keys(response[0])).toEqual(['index', 'verdict']);
  });

  it('takes as many connections as it is set to, and keeps those that are in use', async () => {
    const [proxy, sockets] = [
      await FaultProxy.start(userToken.port),
      await Promise.all(Array.from({ length: 10 }, open)),
    ];
    const service = new UserTokenClient({ urls: `tcp://127.0.0.1:${proxy.port}` });
    try {
      await service.verify({ accessToken: asToken('short') });
      let closed = 0;
      for (const socket of sockets) {
        socket
          .on('close', () => (closed += 1))
          .on('error', () => undefined)
          .resume()
          .write(frame({ pattern: 'ping', data: {}, id: '1' }));
        expect(await service.verify({ accessToken: asToken('short') })).toMatchObject({ active: false });
      }
      await until(() => closed >= 6);
      expect(proxy.connections).toBe(1);
    } finally {
      service.close();
      for (const socket of sockets) socket.destroy();
      await proxy.stop();
    }
  });

  it('closes a connection that has said nothing yet after 3 s', async () => {
    const startedAtMs = performance.now();
    expect(await untilClosed('')).toBe('');
    expect(performance.now() - startedAtMs).toBeGreaterThan(2_500);
  });

  it('closes a connection that is idle for half a minute, and none of a service', async () => {
    const proxy = await FaultProxy.start(userToken.port);
    const service = new UserTokenClient({ urls: `tcp://127.0.0.1:${proxy.port}` });
    const idle = await open();
    try {
      await service.verify({ accessToken: asToken('short') });
      idle.resume().write(frame({ pattern: 'ping', data: {}, id: '1' }));
      const closed = new Promise((resolve) => idle.once('close', resolve));
      const startedAtMs = performance.now();
      await closed;
      expect(performance.now() - startedAtMs).toBeGreaterThan(29_000);
      await delay(1_500);
      expect(proxy.connections).toBe(1);
    } finally {
      service.close();
      idle.destroy();
      await proxy.stop();
    }
  }, 45_000);

  it('carries hundreds of calls at once over one connection', async () => {
    const accessToken = asToken('a'.repeat(15));
    const verdicts = await Promise.all(Array.from({ length: 500 }, () => client.verify({ accessToken })));
    expect(verdicts.every((verdict) => !verdict.active)).toBe(true);
  });

  it('says that it cannot decide while the authorization server is away, and logs why without the token', async () => {
    const accessToken = asToken(['eyJhbGciOiJSUzI1NiJ9', 'eyJzdWIiOiJjYW5hcnkifQ', 'AAAA'].join('.'));
    const verifying = client.verify({ accessToken, requestId: 'request-7' });
    await expect(verifying).rejects.toMatchObject({ code: 'upstream_unavailable' });
    await expect(verifying).rejects.toThrow(UserTokenUnavailable);
    const lines = logs.filter((entry) => entry.includes('discovery'));
    expect(lines.join('')).toContain('"requestId":"request-7"');
    expect(logs.join('')).not.toContain(accessToken);
  });

  it('does not let a flood of tokens that it cannot decide about fill the log', async () => {
    logs.length = 0;
    const verifying = Array.from({ length: 200 }, () => {
      const signature = randomBytes(256).toString('base64url');
      return client.verify({
        accessToken: asToken(['eyJhbGciOiJSUzI1NiJ9', 'eyJzdWIiOiJjYW5hcnkifQ', signature].join('.')),
      });
    });
    for (const verdict of await Promise.allSettled(verifying)) expect(verdict.status).toBe('rejected');
    expect(logs.filter((line) => line.includes('signing keys')).length).toBeLessThanOrEqual(20);
  });

  it('logs why it refuses a token, with the number of the request, and the token nowhere', async () => {
    logs.length = 0;
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const accessToken = [
      part({ alg: 'RS256', kid: 'key-7' }),
      part({ iss: 'https://issuer.other/', aud: 'https://api.other/', sub: 'canary' }),
      'AAAA',
    ].join('.');
    expect(await client.verify({ accessToken: asToken(accessToken), requestId: 'request-8' })).toMatchObject({
      active: false,
    });
    const told = logs.map((line) => JSON.parse(line)).filter(({ reason }) => reason === 'wrong_issuer');
    expect(told).toEqual([
      expect.objectContaining({
        level: 30,
        requestId: 'request-8',
        kid: 'key-7',
        alg: 'RS256',
        issuer: 'https://issuer.other/',
        audience: 'https://api.other/',
        detail: 'its iss is "https://issuer.other/", AUTH0_ISSUER_URL is "http://localhost:1/"',
      }),
    ]);
    expect(logs.join('')).not.toMatch(/canary|AAAA/);
  });

  it('gives each of the tokens of one message its own answer', async () => {
    const undecided = ['eyJhbGciOiJSUzI1NiJ9', 'eyJzdWIiOiJjYW5hcnkifQ', 'AAAA'].join('.');
    const [none, malformed] = await Promise.allSettled(
      [undecided, 'short'].map((accessToken) => client.verify({ accessToken: asToken(accessToken) })),
    );
    expect(none).toMatchObject({ status: 'rejected', reason: { code: 'upstream_unavailable' } });
    expect(malformed).toEqual({ status: 'fulfilled', value: { active: false, reason: 'malformed' } });
  });
});

describe('user-token among strangers', () => {
  const logs: string[] = [];
  const sockets = new Set<Socket>();
  let store: SharedStore;
  let userToken: RunningUserToken;
  let flooding = true;

  beforeAll(async () => {
    store = openStore('memory:');
    const config = readUserTokenConfig({
      ENVIRONMENT: 'local',
      PORT: '0',
      OPS_PORT: '0',
      AUTH0_ISSUER_URL: 'http://localhost:1/',
      MAX_CONNECTIONS: '20',
      MAX_PENDING_CONNECTIONS: '50',
    });
    const destination = { write: (line: string) => void logs.push(line) };
    const logger = createLogger({ service: 'user-token', environment: 'local', level: 'info', destination });
    userToken = await startUserToken(config, { store, logger });
  });

  beforeEach(() => {
    logs.length = 0;
    flooding = true;
  });

  afterEach(() => {
    flooding = false;
    for (const socket of sockets) socket.destroy();
  });

  afterAll(async () => {
    await userToken.stop();
    await store.close();
  });

  /** A stranger that connects again after each end of its connection, and says the same. */
  function flood(bytes: string): void {
    if (!flooding) return;
    const socket = connect(userToken.port, '127.0.0.1', () => bytes && socket.write(bytes));
    sockets.add(socket);
    socket
      .resume()
      .on('error', () => undefined)
      .on('close', () => {
        sockets.delete(socket);
        setTimeout(() => flood(bytes), 200 + 600 * Math.random());
      });
  }

  it.each([
    ['says nothing', ''],
    ['never finishes a message', '100#{'],
    ['pings once', '37#{"pattern":"ping","data":{},"id":"1"}'],
    ['says what is no call', '2#{}'],
  ])('lets in services at the address of a stranger with 150 connections that %s', async (_title, bytes) => {
    for (let i = 0; i < 150; i += 1) flood(bytes);
    await until(() => sockets.size > 100);
    for (let i = 0; i < 10; i += 1) {
      const client = new UserTokenClient({ urls: `tcp://127.0.0.1:${userToken.port}` });
      const isAnswered = () =>
        client.verify({ accessToken: asToken('short') }).then(
          () => true,
          () => false,
        );
      // All of them are this one process, which may be too slow at times.
      await until(isAnswered, 10_000).finally(() => client.close());
    }
  });

  it('leaves one short line of thousands of messages that are no calls, and counts them', async () => {
    const [frames, event] = [
      '9#{canary}#'.repeat(1_000),
      '47#{"pattern":"session.login","data":{"canary":true}}',
    ];
    let closed = 0;
    for (let i = 0; i < 200; i += 1) {
      const socket = connect(userToken.port, '127.0.0.1', () => socket.write(i % 2 ? frames : event));
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => (closed += 1));
    }
    await until(() => closed === 200);
    const lines = logs.filter((line) => line.includes('no call'));
    expect(lines.length).toBeLessThanOrEqual(1);
    expect(logs.join('').length).toBeLessThan(1_000);
    expect(logs.join('')).not.toMatch(/canary|stack|at /);
  });

  it('leaves few lines of thousands of calls whose payload is not of the contract', async () => {
    const socket = connect(userToken.port, '127.0.0.1');
    sockets.add(socket);
    let answers = '';
    socket.on('data', (chunk) => (answers += chunk.toString()));
    const calls = Array.from({ length: 2_000 }, (_, i) => {
      const json = JSON.stringify({ pattern: 'session.login', data: { canary: 1 }, id: `call-${i}` });
      return `${json.length}#${json}`;
    });
    socket.write(calls.join(''));
    await until(() => (answers.match(/invalid_payload/g) ?? []).length === 2_000);
    expect(logs.length).toBeLessThanOrEqual(20);
    expect(logs.join('')).not.toContain('canary');
  });
});

describe('a user-token that starts', () => {
  it('has the signing keys at hand before it is asked', async () => {
    const issuer = await ScriptedIssuer.start();
    const store = openStore('memory:');
    const config = readUserTokenConfig({
      ENVIRONMENT: 'local',
      PORT: '0',
      OPS_PORT: '0',
      AUTH0_ISSUER_URL: issuer.issuer,
    });
    const logger = createLogger({ service: 'user-token', environment: 'local', level: 'silent' });
    const userToken = await startUserToken(config, { store, logger });
    const client = new UserTokenClient({ urls: `tcp://127.0.0.1:${userToken.port}` });
    try {
      await issuer.stop();
      const { body } = await issuer.grant();
      const { access_token: accessToken } = body as { access_token: string };
      expect(await client.verify({ accessToken: asToken(accessToken) })).toMatchObject({ active: true });
    } finally {
      client.close();
      await userToken.stop();
      await store.close();
    }
  });
});

it('a user-token tells services of the version before nothing of a verdict that they do not know', async () => {
  const issuer = await ScriptedIssuer.start();
  const store = openStore('memory:');
  const environment = { ENVIRONMENT: 'local', PORT: '0', OPS_PORT: '0', AUTH0_ISSUER_URL: issuer.issuer };
  const logger = createLogger({ service: 'user-token', environment: 'local', level: 'silent' });
  const userToken = await startUserToken(readUserTokenConfig(environment), { store, logger });
  const client = new UserTokenClient({ urls: `tcp://127.0.0.1:${userToken.port}` });
  try {
    const { body } = await issuer.grant({ sub: 'auth0|ada' });
    const { access_token: accessToken } = body as { access_token: string };
    const { generation, ...verdict } = (await client.verify({ accessToken: asToken(accessToken) })) as Record<
      string,
      unknown
    >;
    expect(generation).toEqual(expect.any(String));
    expect(verdict).toMatchObject({ active: true });
    const data = { requests: [{ accessToken }] };
    const { response } = await replyAt(userToken.port, { pattern: 'token.verify', data, id: '1' });
    expect(response).toEqual([{ index: 0, verdict }]);
  } finally {
    client.close();
    await userToken.stop();
    await store.close();
    await issuer.stop();
  }
});

describe('the store of a user-token', () => {
  const logger = createLogger({ service: 'user-token', environment: 'test', level: 'silent' });
  let store: SharedStore;
  let followed: string[];

  beforeEach(() => {
    store = openStore('memory:');
    followed = [];
    const subscribe = store.subscribe.bind(store);
    store.subscribe = (channel, listener) => {
      const subscription = subscribe(channel, listener);
      followed.push(channel);
      const close = subscription.close.bind(subscription);
      subscription.close = () => {
        followed.splice(followed.indexOf(channel), 1);
        return close();
      };
      return subscription;
    };
  });

  afterEach(() => store.close());

  const start = (port: number) => {
    const config = readUserTokenConfig({
      ENVIRONMENT: 'local',
      PORT: String(port),
      OPS_PORT: String(port),
      AUTH0_ISSUER_URL: 'http://localhost:1/',
    });
    return startUserToken(config, { store, logger });
  };

  it('is followed until it stops', async () => {
    const userToken = await start(0);
    expect(followed).toHaveLength(1);
    await userToken.stop();
    expect(followed).toHaveLength(0);
  });

  it('is not followed any more once the start has failed', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    await new Promise((resolve) => other.close(resolve));
    // Both are free until the first listens.
    await expect(start(port)).rejects.toThrow(/in use|PORT/);
    expect(followed).toHaveLength(0);
  });
});

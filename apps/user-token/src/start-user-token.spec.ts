import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/redis';
import { UserTokenClient, UserTokenUnavailable } from '@app/user-token-client';
import { FaultProxy } from '../../../test/support/fault-proxy.js';
import { ScriptedIssuer } from '../../../test/support/scripted-issuer.js';
import { until } from '../../../test/support/until.js';
import { readUserTokenConfig, startUserToken, type RunningUserToken } from './index.js';

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

  const open = (): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(userToken.port, '127.0.0.1', () => resolve(socket)).on('error', reject);
    });
  const frame = (message: unknown) => {
    const json = JSON.stringify(message);
    return `${json.length}#${json}`;
  };
  async function reply(message: unknown): Promise<any> {
    const socket = await open();
    socket.write(frame(message));
    const data = await new Promise<string>((resolve) =>
      socket.once('data', (chunk) => resolve(chunk.toString())),
    );
    socket.destroy();
    return JSON.parse(data.slice(data.indexOf('#') + 1));
  }
  const answers = () => client.verify({ accessToken: 'short' });

  it('answers a call', async () => {
    expect(await answers()).toEqual({ active: false, reason: 'malformed' });
  });

  it('says that it is ready on its ops listener, and what is not', async () => {
    const ready = await fetch(`http://127.0.0.1:${userToken.opsPort}/health/ready`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({ status: 'ok', info: { store: { status: 'up' } } });
    expect((await fetch(`http://127.0.0.1:${userToken.opsPort}/health/live`)).status).toBe(200);
  });

  it.each<[string, string, unknown]>([
    ['no payload', 'token.verify', undefined],
    ['null', 'token.verify', null],
    ['a number', 'token.verify', 42],
    ['a list', 'token.verify', []],
    ['no tokens', 'token.verify', { requests: [] }],
    ['too many tokens', 'token.verify', { requests: Array(129).fill({ accessToken: 'a' }) }],
    ['a token that is an object', 'token.verify', { requests: [{ accessToken: { $ne: null } }] }],
    ['a token that is a list', 'token.verify', { requests: [{ accessToken: ['canary'] }] }],
    ['a token of more than 8 KiB', 'token.verify', { requests: [{ accessToken: 'a'.repeat(8193) }] }],
    ['an unknown field', 'token.verify', { requests: [{ accessToken: 'a', audience: 'canary' }] }],
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

  it('leaves one short line of a flood of events that it has no handler for, and nothing of what they say', async () => {
    logs.length = 0;
    const socket = await open();
    const event = frame({ pattern: `canary-${'x'.repeat(400)}`, data: { password: 'canary' } });
    for (let i = 0; i < 100; i += 1) socket.write(event);
    // An answer to what was sent last says that the rest was read.
    const answer = new Promise((resolve) => socket.once('data', resolve));
    socket.write(frame({ pattern: 'ping', data: {}, id: '1' }));
    await answer;
    socket.destroy();
    const lines = logs.filter((line) => line.includes('not of the contract'));
    expect(lines).toHaveLength(1);
    expect(logs.join('').length).toBeLessThan(1_000);
    expect(logs.join('')).not.toContain('canary');
  });

  it.each([
    ['a length that is no number', 'abc#{}'],
    ['a negative length', '-5#{}'],
    ['a message that is not JSON', '5#{{{{{'],
    ['an endless length', '1'.repeat(70_000)],
    ['a message of more than 64 KiB', `${80_000}#${'x'.repeat(80_000)}`],
  ])('drops a connection with %s and serves the others', async (_title, bytes) => {
    const socket = await open();
    socket.on('error', () => undefined);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(bytes);
    if (bytes.includes('{{')) socket.end();
    await closed;
    expect(await answers()).toMatchObject({ active: false });
  });

  it('takes as many connections as it is set to, and no more', async () => {
    const sockets = await Promise.all(Array.from({ length: 10 }, () => open()));
    let closed = 0;
    for (const socket of sockets)
      socket
        .on('close', () => (closed += 1))
        .on('error', () => undefined)
        .resume();
    await until(() => closed >= 5);
    expect(await answers()).toMatchObject({ active: false });
    for (const socket of sockets) socket.destroy();
    await until(() => closed === 10);
  });

  it('closes a connection that is idle for half a minute, and none of a service', async () => {
    const proxy = await FaultProxy.start(userToken.port);
    const service = new UserTokenClient({ urls: `tcp://127.0.0.1:${proxy.port}` });
    const idle = await open();
    try {
      await service.verify({ accessToken: 'short' });
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
    const accessToken = 'a'.repeat(15);
    const verdicts = await Promise.all(Array.from({ length: 500 }, () => client.verify({ accessToken })));
    expect(verdicts.every((verdict) => !verdict.active)).toBe(true);
  });

  it('says that it cannot decide while the authorization server is away, and logs why without the token', async () => {
    const accessToken = ['eyJhbGciOiJSUzI1NiJ9', 'eyJzdWIiOiJjYW5hcnkifQ', 'AAAA'].join('.');
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
        accessToken: ['eyJhbGciOiJSUzI1NiJ9', 'eyJzdWIiOiJjYW5hcnkifQ', signature].join('.'),
      });
    });
    for (const verdict of await Promise.allSettled(verifying)) expect(verdict.status).toBe('rejected');
    expect(logs.filter((line) => line.includes('signing keys')).length).toBeLessThanOrEqual(20);
  });

  it('gives each of the tokens of one message its own answer', async () => {
    const undecided = ['eyJhbGciOiJSUzI1NiJ9', 'eyJzdWIiOiJjYW5hcnkifQ', 'AAAA'].join('.');
    const [none, malformed] = await Promise.allSettled(
      [undecided, 'short'].map((accessToken) => client.verify({ accessToken })),
    );
    expect(none).toMatchObject({ status: 'rejected', reason: { code: 'upstream_unavailable' } });
    expect(malformed).toEqual({ status: 'fulfilled', value: { active: false, reason: 'malformed' } });
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
      expect(await client.verify({ accessToken })).toMatchObject({ active: true });
    } finally {
      client.close();
      await userToken.stop();
      await store.close();
    }
  });
});

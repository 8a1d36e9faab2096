import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls, createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { createLogger, RenewedTls } from '@app/ops';
import { openStore, type SharedStore } from '@app/store';
import { UserTokenClient, type TlsMaterial } from '@app/user-token-client';
import { asToken } from '@app/test-support/issuer/as-token';
import { newAuthority, type Authority } from '@app/test-support/network/certificates';
import { until } from '@app/test-support/timing/until';
import { connectionTls } from './config.js';
import { readUserTokenConfig, startUserToken, type RunningUserToken } from './index.js';

const MAX_CONNECTIONS = 4;
const MAX_PENDING_CONNECTIONS = 50;
const HANDSHAKE_TIMEOUT_MS = 3_000;

describe('user-token over mutual TLS', () => {
  const logs: string[] = [];
  let authority: Authority;
  let store: SharedStore;
  let userToken: RunningUserToken;
  let trusted: TlsMaterial;
  let stranger: TlsMaterial;

  beforeAll(async () => {
    const otherAuthority = await newAuthority();
    authority = await newAuthority();
    const server = await authority.issue('user-token');
    trusted = await authority.issue('venue');
    stranger = await otherAuthority.issue('venue');
    store = openStore('memory:');
    const config = readUserTokenConfig({
      ENVIRONMENT: 'local',
      PORT: '0',
      OPS_PORT: '0',
      MAX_CONNECTIONS: String(MAX_CONNECTIONS),
      MAX_PENDING_CONNECTIONS: String(MAX_PENDING_CONNECTIONS),
      USER_TOKEN_TLS_CA: server.ca,
      USER_TOKEN_TLS_CERT: server.cert,
      USER_TOKEN_TLS_KEY: server.key,
    });
    const destination = { write: (line: string) => void logs.push(line) };
    const logger = createLogger({ service: 'user-token', environment: 'local', level: 'warn', destination });
    userToken = await startUserToken(config, { store, logger });
  });

  afterAll(async () => {
    await userToken.stop();
    await store.close();
  });

  async function ask(scheme: string, tls?: TlsMaterial): Promise<unknown> {
    const urls = `${scheme}://localhost:${userToken.port}`;
    const client = new UserTokenClient({ urls, tls, verifyTimeoutMs: 5_000 });
    return client.verify({ accessToken: asToken('short') }).finally(() => client.close());
  }

  it('answers a client whose certificate our authority signed', async () => {
    expect(await ask('tls+tcp', trusted)).toEqual({ active: false, reason: 'malformed' });
  });

  it.each<[string, string, () => TlsMaterial | undefined]>([
    ['a client that does not speak TLS', 'tcp', () => undefined],
    ['a certificate of another authority', 'tls+tcp', () => ({ ...stranger, ca: trusted.ca })],
  ])('does not answer %s', async (_title, scheme, tls) => {
    await expect(ask(scheme, tls())).rejects.toMatchObject({ name: 'UserTokenUnavailable' });
  });

  it('is not believed by a client that trusts another authority', async () => {
    await expect(ask('tls+tcp', { ...trusted, ca: stranger.ca })).rejects.toMatchObject({
      code: 'unreachable',
    });
  });

  const told = (reason: RegExp) => () => logs.some((line) => reason.test(line));

  it.each<[string, () => Promise<TlsMaterial>, RegExp]>([
    [
      'of another authority',
      async () => ({ ...stranger, ca: trusted.ca }),
      /its certificate is signed by none of our USER_TOKEN_TLS_CA \([A-Z_]+\)/,
    ],
    [
      'that has expired',
      () => authority.issue('venue', { notBefore: ago(2), notAfter: ago(1) }),
      /its certificate has expired \(or our clock is ahead\)/,
    ],
    [
      'that is not valid yet',
      () => authority.issue('venue', { notBefore: ago(-1) }),
      /its certificate is not valid yet \(or our clock is behind\)/,
    ],
    [
      'for servers only',
      () => authority.issue('venue', { purpose: 'serverAuth' }),
      /its certificate is not for this side of a connection/,
    ],
  ])('says on both sides what is wrong with a client certificate %s', async (_title, material, reason) => {
    logs.length = 0;
    await expect(ask('tls+tcp', await material())).rejects.toThrow(
      /localhost:\d+ cannot be reached: it (closed the connection before its first answer: it may not take our|refused our) USER_TOKEN_TLS_CERT/,
    );
    await until(told(reason));
    expect(logs.join('')).not.toMatch(/stack|BEGIN/);
  });

  it.each<[string, (port: number) => void, RegExp]>([
    [
      'shows no certificate',
      (port) =>
        connectTls({ port, host: 'localhost', rejectUnauthorized: false }).on('error', () => undefined),
      /it showed no certificate/,
    ],
    [
      'does not speak TLS',
      (port) =>
        connect(port, 'localhost')
          .on('error', () => undefined)
          .end('GET / HTTP/1.1\r\n\r\n'),
      /it does not speak TLS/,
    ],
    [
      'does not take the certificate of user-token',
      (port) =>
        connectTls({ ...trusted, port, servername: 'localhost', ca: stranger.ca }).on(
          'error',
          () => undefined,
        ),
      /it closed the connection before its first call: it may not take our USER_TOKEN_TLS_CERT/,
    ],
  ])('says of a client that it %s', async (_title, come, reason) => {
    logs.length = 0;
    // Which of the two sides is first to close is up to the network.
    await until(() => {
      come(userToken.port);
      return delay(200).then(told(reason));
    }, 20_000);
  });

  it('does not let handshakes that fail fill the log', async () => {
    logs.length = 0;
    let closed = 0;
    for (let i = 0; i < 100; i += 1)
      connect(userToken.port, 'localhost')
        .on('error', () => undefined)
        .on('close', () => (closed += 1))
        .end('canary\r\n\r\n');
    await until(() => closed === 100, 10_000);
    expect(logs.length).toBeLessThanOrEqual(10);
    expect(logs.join('')).not.toContain('canary');
  });

  async function open(...flights: Buffer[]) {
    const socket = connect(userToken.port, 'localhost').on('error', () => undefined);
    const state = { socket, openForMs: undefined as number | undefined };
    await once(socket, 'connect');
    const openedAtMs = performance.now();
    socket.resume().once('close', () => (state.openForMs = performance.now() - openedAtMs));
    for (const bytes of flights) socket.write(bytes);
    return state;
  }

  it('gives connections without a handshake no place of others, and 3 s', async () => {
    const hello = await clientHello();
    const silent = await Promise.all(Array.from({ length: 2 * MAX_CONNECTIONS }, () => open()));
    const halfSaid = await open(hello.subarray(0, 20));
    const withoutCertificate = await open(hello);
    const trickling = await open();
    let sent = 0;
    const trickle = setInterval(() => trickling.socket.write(hello.subarray(sent, (sent += 1))), 500);
    const strangers = [...silent, halfSaid, withoutCertificate, trickling];
    try {
      expect(await ask('tls+tcp', trusted)).toMatchObject({ active: false });
      await until(
        () => strangers.every(({ openForMs }) => openForMs !== undefined),
        HANDSHAKE_TIMEOUT_MS + 5_000,
      );
      expect(Math.min(...strangers.map(({ openForMs }) => openForMs!))).toBeGreaterThan(
        HANDSHAKE_TIMEOUT_MS - 500,
      );
      expect(await ask('tls+tcp', trusted)).toMatchObject({ active: false });
    } finally {
      clearInterval(trickle);
      for (const { socket } of strangers) socket.destroy();
    }
  });

  it.each([
    ['nothing', () => Buffer.of()],
    ['half of a handshake', (hello: Buffer) => hello.subarray(0, 20)],
    ['no certificate', (hello: Buffer) => hello],
    ['plain text', () => Buffer.from('37#{"pattern":"ping","data":{},"id":"1"}')],
  ])('lets in services at the address of a flood of connections that show %s', async (_title, said) => {
    const bytes = said(await clientHello());
    const sockets = new Set<Socket>();
    let flooding = true;
    const flood = () => {
      if (!flooding) return;
      const socket = connect(userToken.port, 'localhost', () => socket.write(bytes));
      sockets.add(socket);
      socket
        .resume()
        .on('error', () => undefined)
        .on('close', () => {
          sockets.delete(socket);
          setTimeout(flood, 200 + 600 * Math.random());
        });
    };
    try {
      for (let i = 0; i < 2 * MAX_PENDING_CONNECTIONS; i += 1) flood();
      await until(() => sockets.size > MAX_PENDING_CONNECTIONS);
      const isAnswered = () =>
        ask('tls+tcp', trusted).then(
          () => true,
          () => false,
        );
      // All of them are this one process, which may be too slow at times.
      for (let i = 0; i < 10; i += 1) await until(isAnswered, 10_000);
    } finally {
      flooding = false;
      for (const socket of sockets) socket.destroy();
    }
  });

  it('keeps services connected, and knows them by their certificates, when there are more than it takes', async () => {
    const urls = `tls+tcp://localhost:${userToken.port}`;
    const clients = Array.from(
      { length: 3 * MAX_CONNECTIONS },
      () => new UserTokenClient({ urls, tls: trusted }),
    );
    try {
      for (const client of [...clients, ...clients]) {
        expect(await client.verify({ accessToken: asToken('short') })).toMatchObject({ active: false });
      }
    } finally {
      for (const client of clients) client.close();
    }
  });
});

describe('a client of a user-token whose certificate is wrong', () => {
  let authority: Authority;
  let trusted: TlsMaterial;
  let server: TlsServer | undefined;

  beforeAll(async () => {
    authority = await newAuthority();
    trusted = await authority.issue('venue');
  });

  afterEach(() => {
    server?.close();
  });

  it.each<[string, () => Promise<Partial<TlsMaterial>>, RegExp]>([
    [
      'of another authority',
      async () => (await newAuthority()).issue('u'),
      /signed by none of our USER_TOKEN_TLS_CA/,
    ],
    [
      'for another host',
      () => authority.issue('u', { hostName: 'user-token' }),
      /is for other host names than that of USER_TOKEN_URL/,
    ],
    ['that has expired', () => authority.issue('u', { notBefore: ago(2), notAfter: ago(1) }), /has expired/],
    ['that is not valid yet', () => authority.issue('u', { notBefore: ago(-1) }), /is not valid yet/],
    ['for clients only', () => authority.issue('u', { purpose: 'clientAuth' }), /is not for this side/],
  ])('says so: %s', async (_title, material, reason) => {
    server = createTlsServer({ ...(await material()) }, (socket) =>
      socket.on('error', () => undefined),
    ).listen(0);
    await expect(verifyAt(server)).rejects.toThrow(reason);
  });

  it('says that it does not speak TLS', async () => {
    const plain = createServer((socket) =>
      socket.on('error', () => undefined).end('HTTP/1.1 400\r\n\r\n'),
    ).listen(0);
    await expect(verifyAt(plain)).rejects.toThrow(/it does not speak TLS/);
    plain.close();
  });

  async function verifyAt(at: Server): Promise<unknown> {
    await once(at, 'listening');
    const { port } = at.address() as AddressInfo;
    const client = new UserTokenClient({ urls: `tls+tcp://localhost:${port}`, tls: trusted });
    return client.verify({ accessToken: asToken('short') }).finally(() => client.close());
  }
});

describe('certificates that are renewed', () => {
  it('are those of connections from then on, on both sides, and cut none', async () => {
    const [authority, next] = await Promise.all([newAuthority(), newAuthority()]);
    const folder = mkdtempSync(join(tmpdir(), 'tls-'));
    const put = (names: Partial<TlsMaterial>) => {
      for (const [name, content] of Object.entries(names)) writeFileSync(join(folder, name), content);
    };
    const environment = {
      ENVIRONMENT: 'local',
      PORT: '0',
      OPS_PORT: '0',
      USER_TOKEN_TLS_CA_FILE: join(folder, 'ca'),
      USER_TOKEN_TLS_CERT_FILE: join(folder, 'cert'),
      USER_TOKEN_TLS_KEY_FILE: join(folder, 'key'),
    };
    put(await authority.issue('user-token'));
    const store = openStore('memory:');
    const logger = createLogger({ service: 'user-token', environment: 'local', level: 'silent' });
    const config = readUserTokenConfig(environment);
    const renewedTls = RenewedTls.open({
      settings: connectionTls,
      material: config.tls,
      environment,
      log: logger,
      readEveryMs: 10,
    })!;
    const userToken = await startUserToken(config, { store, logger, renewedTls });
    let material = await authority.issue('venue');
    const client = () =>
      new UserTokenClient({ urls: `tls+tcp://localhost:${userToken.port}`, tls: () => material });
    const [connected, later] = [client(), client()];
    const answers = (by: UserTokenClient) => by.verify({ accessToken: asToken('short') });
    try {
      expect(await answers(connected)).toMatchObject({ active: false });

      put(await next.issue('user-token'));
      await until(() => renewedTls.current.ca !== material.ca.trim());
      expect(await answers(connected)).toMatchObject({ active: false });
      await expect(answers(later)).rejects.toThrow('cannot be reached');

      material = await next.issue('venue');
      await until(
        () =>
          answers(later).then(
            () => true,
            () => false,
          ),
        10_000,
      );
    } finally {
      connected.close();
      later.close();
      await userToken.stop();
      renewedTls.close();
      await store.close();
    }
  });
});

const ago = (days: number) => new Date(Date.now() - days * 86_400_000);

/** The first flight of a client, which its certificate would follow. */
async function clientHello(): Promise<Buffer> {
  const recorder = createServer().listen(0, '127.0.0.1');
  await once(recorder, 'listening');
  const client = connectTls((recorder.address() as AddressInfo).port, '127.0.0.1').on(
    'error',
    () => undefined,
  );
  const [peer] = (await once(recorder, 'connection')) as [Socket];
  const [hello] = (await once(peer, 'data')) as [Buffer];
  client.destroy();
  peer.destroy();
  recorder.close();
  return hello;
}

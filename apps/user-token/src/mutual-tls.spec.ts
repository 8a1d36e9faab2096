import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/redis';
import { UserTokenClient, type TlsMaterial } from '@app/user-token-client';
import { newAuthority } from '../../../test/support/certificates.js';
import { until } from '../../../test/support/until.js';
import { readUserTokenConfig, startUserToken, type RunningUserToken } from './index.js';

const MAX_CONNECTIONS = 4;
const MAX_PENDING_CONNECTIONS = 50;
const HANDSHAKE_TIMEOUT_MS = 3_000;

describe('user-token over mutual TLS', () => {
  let store: SharedStore;
  let userToken: RunningUserToken;
  let trusted: TlsMaterial;
  let stranger: TlsMaterial;

  beforeAll(async () => {
    const [authority, otherAuthority] = await Promise.all([newAuthority(), newAuthority()]);
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
    const logger = createLogger({ service: 'user-token', environment: 'local', level: 'silent' });
    userToken = await startUserToken(config, { store, logger });
  });

  afterAll(async () => {
    await userToken.stop();
    await store.close();
  });

  async function ask(scheme: string, tls?: TlsMaterial): Promise<unknown> {
    const urls = `${scheme}://localhost:${userToken.port}`;
    const client = new UserTokenClient({ urls, tls, verifyTimeoutMs: 5_000 });
    return client.verify({ accessToken: 'short' }).finally(() => client.close());
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
        expect(await client.verify({ accessToken: 'short' })).toMatchObject({ active: false });
      }
    } finally {
      for (const client of clients) client.close();
    }
  });
});

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

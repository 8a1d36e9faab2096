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
const HANDSHAKE_TIMEOUT_MS = 5_000;

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
    const client = new UserTokenClient({ urls, tls, verifyTimeoutMs: 1_000 });
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

  it('counts connections without a handshake among all others, and frees their places after 5 s', async () => {
    const hello = await clientHello();
    const open = async (...flights: Buffer[]) => {
      const socket = connect(userToken.port, 'localhost').on('error', () => undefined);
      const state = { socket, openForMs: undefined as number | undefined };
      await once(socket, 'connect');
      const openedAtMs = performance.now();
      socket.resume().once('close', () => (state.openForMs = performance.now() - openedAtMs));
      for (const bytes of flights) socket.write(bytes);
      return state;
    };
    const silent = await open();
    const halfSaid = await open(hello.subarray(0, 20));
    const withoutCertificate = await open(hello);
    const trickling = await open();
    let sent = 0;
    const trickle = setInterval(() => trickling.socket.write(hello.subarray(sent, (sent += 1))), 500);
    const strangers = [silent, halfSaid, withoutCertificate, trickling];
    try {
      await expect(ask('tls+tcp', trusted)).rejects.toMatchObject({ name: 'UserTokenUnavailable' });
      await until(
        () => strangers.every(({ openForMs }) => openForMs !== undefined),
        HANDSHAKE_TIMEOUT_MS + 3_000,
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

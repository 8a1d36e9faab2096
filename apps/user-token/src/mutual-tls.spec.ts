import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/redis';
import { UserTokenClient, type TlsMaterial } from '@app/user-token-client';
import { newAuthority } from '../../../test/support/certificates.js';
import { readUserTokenConfig, startUserToken, type RunningUserToken } from './index.js';

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
});

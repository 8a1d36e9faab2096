import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserTokenClient } from '@app/user-token-client';
import { mintToken, newKey, type TestKey } from '@app/test-support/issuer/mint-token';
import { newAuthority } from '@app/test-support/network/certificates';
import { ConnectProxy } from '@app/test-support/network/connect-proxy';
import { ServiceProcess } from '@app/test-support/suite/service-process';

const ISSUER = 'https://issuer.test/';
const AUDIENCE = 'https://api.venue.example/';

/** Only the proxy can reach the authorization server, and TLS ends at that server. */
describe('user-token behind a proxy', () => {
  let key: TestKey;
  let folder: string;
  let server: Server;
  let proxy: ConnectProxy;
  let userToken: ServiceProcess;
  let client: UserTokenClient;

  beforeAll(async () => {
    key = await newKey();
    const {
      ca,
      cert,
      key: privateKey,
    } = await (await newAuthority()).issue('Test issuer', { hostName: 'issuer.test' });
    server = createServer({ cert, key: privateKey }, (request, response) => {
      void (async () => {
        response.setHeader('content-type', 'application/json');
        const token = await mintToken(key, { claims: { iss: ISSUER, aud: AUDIENCE } });
        const answers: Record<string, object> = {
          '/.well-known/openid-configuration': {
            issuer: ISSUER,
            token_endpoint: `${ISSUER}oauth/token`,
            jwks_uri: `${ISSUER}jwks`,
          },
          '/jwks': { keys: [key.jwk] },
          '/oauth/token': { access_token: token, token_type: 'Bearer', expires_in: 3600 },
        };
        response.end(JSON.stringify(answers[request.url ?? ''] ?? {}));
      })();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    proxy = await ConnectProxy.start();
    proxy.hosts.set('issuer.test', (server.address() as AddressInfo).port);
    folder = await mkdtemp(join(tmpdir(), 'proxy-'));
    await writeFile(join(folder, 'ca.pem'), ca);
    userToken = await ServiceProcess.start('user-token', {
      ENVIRONMENT: 'local',
      AUTH0_ISSUER_URL: ISSUER,
      HTTPS_PROXY: proxy.url,
      NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem'),
    });
    client = new UserTokenClient({ urls: `tcp://127.0.0.1:${userToken.port}` });
  });

  afterAll(async () => {
    client.close();
    await userToken.stop();
    await proxy.stop();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  it('logs users in and verifies their tokens, over TLS to the server itself', async () => {
    const result = await client.login({ username: 'ada@example.com', password: 'x' });
    expect(result).toMatchObject({ granted: true });
    const accessToken = await mintToken(key, { claims: { iss: ISSUER, aud: AUDIENCE, sub: 'auth0|grace' } });
    expect(await client.verify({ accessToken })).toMatchObject({ active: true });
    expect(new Set(proxy.asked)).toEqual(new Set(['issuer.test:443']));
  });
});

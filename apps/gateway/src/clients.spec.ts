import { copyFile, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog as log } from '@app/test-support/suite/oauth-clients';
import { bundledClients, ClientDocument } from './adapters/client-document.js';
import { FileClientRegistry } from './adapters/file-client-registry.js';
import { openClientRegistry } from './adapters/open-client-registry.js';
import { readGatewayConfig } from './config.js';
import { hashClientSecret, isClientSecret, newClientSecret, type Client } from './core/client.js';

const HASH = hashClientSecret('s');
const nowSeconds = () => Date.now() / 1000;

describe('a client secret', () => {
  const client = (...secrets: Client['secrets'][number][]): Client => ({
    clientId: 'c',
    enabled: true,
    grantTypes: ['password'],
    scopes: ['a'],
    secrets,
  });

  it('has 256 random bits, and is stored as a salted hash', () => {
    expect(newClientSecret()).toMatch(/^[\w-]{43}$/);
    expect(newClientSecret()).not.toBe(newClientSecret());
    expect(hashClientSecret('x')).not.toBe(hashClientSecret('x'));
  });

  it.each([
    ['the right one', client({ hash: hashClientSecret('k:i+o s%k€') }), 'k:i+o s%k€', true],
    ['either of two', client({ hash: HASH }, { hash: hashClientSecret('t') }), 't', true],
    ['one that expires later', client({ hash: HASH, expiresAtSeconds: nowSeconds() + 60 }), 's', true],
    ['one that has expired', client({ hash: HASH, expiresAtSeconds: nowSeconds() - 1 }), 's', false],
    ['a wrong one', client({ hash: HASH }), 'S', false],
    ['none', client({ hash: HASH }), '', false],
    ['any, where there is none', client(), '', false],
    ['any of a client that does not exist', undefined, 's', false],
  ])('takes %s: as it should', (_title, of, secret, expected) => {
    expect(isClientSecret(of, secret, nowSeconds())).toBe(expected);
  });
});

describe('no GATEWAY_CLIENTS', () => {
  it.each([
    ['in local work means the bundled clients', 'local', true],
    ['elsewhere means none', 'dev', false],
  ])('%s', async (_title, environment, there) => {
    const registry = await openClientRegistry({
      location: undefined,
      environment,
      store: undefined,
      secrets: [],
      log,
    });
    expect((await registry.find('portal')) !== undefined).toBe(there);
    await registry.close();
  });

  it('does not allow the bundled clients elsewhere, named or copied', async () => {
    const copy = join(await mkdtemp(join(tmpdir(), 'clients-')), 'clients.yaml');
    await copyFile(bundledClients, copy);
    const open = (environment: string) =>
      openClientRegistry({ location: copy, environment, store: undefined, secrets: [], log });
    await expect(open('prod')).rejects.toThrow(
      /GATEWAY_CLIENTS names clients for local work.*: portal, kiosk, retired/,
    );
    await (await open('local')).close();
    const { clients } = await ClientDocument.read(copy);
    await writeFile(
      copy,
      JSON.stringify({ clients: clients.map((client) => ({ ...client, secrets: [{ hash: HASH }] })) }),
    );
    await (await open('prod')).close();
  });

  it('gives the bundled clients of the README', async () => {
    const registry = await FileClientRegistry.open(bundledClients, log);
    const secretOf = async (id: string, secret: string) =>
      isClientSecret(await registry.find(id), secret, nowSeconds());
    expect(await secretOf('portal', 'portal-secret-for-local-use')).toBe(true);
    expect(await secretOf('kiosk', 'k:i+o s%k€')).toBe(true);
    expect(await secretOf('retired', 'retired-secret')).toBe(true);
    expect(await registry.find('kiosk')).toMatchObject({ grantTypes: ['refresh_token'] });
    expect(await registry.find('retired')).toMatchObject({ enabled: false });
    await registry.close();
  });
});

describe('the settings of a gateway with clients', () => {
  const settings = {
    ENVIRONMENT: 'prod',
    HOST: '127.0.0.1',
    OPS_HOST: '127.0.0.1',
    AUTH0_AUDIENCE: 'https://api.venue.example/',
    AUTH0_ISSUER_URL: 'https://acme.auth0.com/',
    REDIS_URL: 'redis://127.0.0.1:1',
    TOKEN_CACHE_SECRET: 'a-token-cache-secret-of-32-characters',
    USER_TOKEN_URL: 'tcp://127.0.0.1:3003',
    GATEWAY_CLIENTS: 'redis:',
  };

  it.each([
    ['no public URL', {}, 'GATEWAY_PUBLIC_URL must say'],
    ['plain http', { GATEWAY_PUBLIC_URL: 'http://login.acme.example' }, 'must be https'],
    ['a path', { GATEWAY_PUBLIC_URL: 'https://login.acme.example/x' }, 'must be an origin'],
    ['a status that is none', { OAUTH_INVALID_GRANT_STATUS: '403' }, 'must be 400 or 401'],
  ])('%s is refused outside of local work', (_title, more, named) => {
    expect(() => readGatewayConfig({ ...settings, ...more })).toThrow(named);
  });

  it('accept https', () => {
    const GATEWAY_PUBLIC_URL = 'https://login.acme.example';
    expect(readGatewayConfig({ ...settings, GATEWAY_PUBLIC_URL })).toMatchObject({ GATEWAY_PUBLIC_URL });
  });
});

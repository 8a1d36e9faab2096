import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createLogger, StartError } from '@app/ops';
import { openStore, StoreUnavailable, type SharedStore } from '@app/redis';
import { RedisServer } from '../../../test/support/redis-server.js';
import { until } from '../../../test/support/until.js';
import { bundledClients, ClientDocument, type ClientRecord } from './adapters/client-document.js';
import { FileClientRegistry } from './adapters/file-client-registry.js';
import { openClientRegistry } from './adapters/open-client-registry.js';
import { StoreClientRegistry } from './adapters/store-client-registry.js';
import { readGatewayConfig } from './config.js';
import { hashClientSecret, isClientSecret, newClientSecret, type Client } from './core/client.js';

const run = promisify(execFile);
const log = createLogger({ service: 'test', environment: 'test', level: 'silent' });
const HASH = hashClientSecret('s');
const nowSeconds = () => Date.now() / 1000;

function yamlOf(clientId: string, more = ''): string {
  return `# kept\nclients:\n  - client_id: ${clientId} # a remark\n    grant_types: [password]\n    scope: read:venues\n    secrets:\n      - hash: ${HASH}\n${more}`;
}

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

describe('clients in a file', () => {
  let folder: string;
  let path: string;
  let registry: FileClientRegistry | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'clients-'));
    path = join(folder, 'clients.yaml');
  });

  afterEach(async () => {
    await registry?.close();
    registry = undefined;
    await rm(folder, { recursive: true });
  });

  it.each([
    ['no YAML', 'clients: [', 'not YAML'],
    ['no list', 'a: 1', 'clients'],
    ['an unknown key', yamlOf('a', '    enabld: true\n'), 'enabld'],
    ['an unknown grant', yamlOf('a').replace('[password]', '[implicit]'), 'grant_types'],
    ['no grant', yamlOf('a').replace('[password]', '[]'), 'grant_types'],
    ['a scope with a quote', yamlOf('a').replace('read:venues', "'a\"b'"), 'scope'],
    ['an umlaut in the client_id', yamlOf('ü'), 'client_id'],
    ['a secret in the clear', yamlOf('a').replace(HASH, 'canary-secret'), 'secrets.0.hash'],
    ['an expiry that is no time', yamlOf('a', '        expires_at: soon\n'), 'expires_at'],
    ['a client twice', `${yamlOf('a')}${yamlOf('a').split('\n').slice(2).join('\n')}`, 'twice'],
  ])('%s is refused at start, and not repeated', async (_title, content, named) => {
    await writeFile(path, content);
    const refused = await FileClientRegistry.open(path, log).catch((error: unknown) => error as Error);
    expect(refused).toBeInstanceOf(StartError);
    expect((refused as Error).message).toContain(named);
    expect((refused as Error).message).not.toContain('canary');
  });

  it('a file that is missing is refused at start', async () => {
    await expect(FileClientRegistry.open(path, log)).rejects.toThrow('ENOENT');
  });

  const found = async (id: string) => (await registry!.find(id))?.clientId;
  const within = (id: string) => until(async () => (await found(id)) === id, 5_000);

  it('are read again when the file changes, is replaced, or a link to it is', async () => {
    const first = join(folder, 'first.yaml');
    await writeFile(first, yamlOf('one'));
    await symlink(first, path);
    registry = await FileClientRegistry.open(path, log);
    expect(await found('one')).toBe('one');
    await writeFile(first, yamlOf('two'));
    await within('two');
    await writeFile(join(folder, 'new'), yamlOf('three-is-longer'));
    await rename(join(folder, 'new'), first);
    await within('three-is-longer');
    await writeFile(join(folder, 'other.yaml'), yamlOf('four-is-even-longer'));
    await symlink(join(folder, 'other.yaml'), join(folder, 'link'));
    await rename(join(folder, 'link'), path);
    await within('four-is-even-longer');
    expect(await found('one')).toBeUndefined();
  });

  it('that became invalid change nothing, until they are valid again', async () => {
    await writeFile(path, yamlOf('one'));
    const lines: string[] = [];
    const heard = createLogger({
      service: 'test',
      environment: 'test',
      destination: { write: (line) => void lines.push(line) },
    });
    registry = await FileClientRegistry.open(path, heard);
    await writeFile(path, 'clients: 17');
    await until(() => lines.some((line) => line.includes('are kept')), 5_000);
    expect(await found('one')).toBe('one');
    await writeFile(path, yamlOf('two-again'));
    await within('two-again');
  });
});

describe('clients in Redis', () => {
  const SECRET = 'a-token-cache-secret-of-32-characters';
  let redis: RedisServer;
  let store: SharedStore;
  const record = (clientId: string, enabled = true): ClientRecord => ({
    client_id: clientId,
    enabled,
    grant_types: ['password'],
    scope: 'read:venues',
    secrets: [{ hash: HASH }],
  });

  beforeAll(async () => {
    redis = await RedisServer.start();
    store = openStore(redis.url);
    await new Promise<void>((resolve) => store.onAvailable(resolve));
  });

  afterAll(async () => {
    await store.close();
    await redis.stop();
  });

  const open = (secret = SECRET) => new StoreClientRegistry(store, secret);

  it('are found by every gateway, and refused within a second or so of being disabled', async () => {
    const [one, other] = [open(), open()];
    await one.put(record('shared'));
    expect(await other.find('shared')).toMatchObject({ clientId: 'shared', enabled: true });
    expect(await other.scopes()).toEqual(['read:venues']);
    await one.put(record('shared', false));
    await until(async () => (await other.find('shared'))?.enabled === false, 2_000);
  });

  it('that somebody else wrote or moved are none', async () => {
    await open().put(record('real'));
    await open('another-secret-of-at-least-32-characters').put(record('forged'));
    const keys = (await redis.cli('--scan', '--pattern', 'client:v1:*')).split('\n');
    const realKey = keys.find((key) => key)!;
    for (const key of keys) await redis.cli('COPY', realKey, `${key}x`);
    expect(await open().find('forged')).toBeUndefined();
    expect((await open().list()).map(({ client_id: id }) => id)).not.toContain('forged');
    expect(await open().find('real')).toMatchObject({ clientId: 'real' });
  });

  it('cannot be told while Redis is silent', async () => {
    redis.freeze();
    await expect(open().find('real')).rejects.toThrow(StoreUnavailable);
    redis.thaw();
  });

  it('need a Redis', async () => {
    const options = { location: 'redis:', environment: 'dev', store: undefined, secret: SECRET, log };
    await expect(openClientRegistry(options)).rejects.toThrow('REDIS_URL must name a Redis');
  });
});

describe('no GATEWAY_CLIENTS', () => {
  it.each([
    ['in local work means the clients that come along', 'local', true],
    ['elsewhere means none', 'dev', false],
  ])('%s', async (_title, environment, there) => {
    const registry = await openClientRegistry({
      location: undefined,
      environment,
      store: undefined,
      secret: '',
      log,
    });
    expect((await registry.find('portal')) !== undefined).toBe(there);
    await registry.close();
  });

  it('the clients that come along are as the README says', async () => {
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

  it('https is what it takes', () => {
    const GATEWAY_PUBLIC_URL = 'https://login.acme.example';
    expect(readGatewayConfig({ ...settings, GATEWAY_PUBLIC_URL })).toMatchObject({ GATEWAY_PUBLIC_URL });
  });
});

describe('npm run client', () => {
  let folder: string;
  let environment: Record<string, string>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'clients-'));
    environment = { PATH: process.env['PATH'] ?? '', GATEWAY_CLIENTS: join(folder, 'clients.yaml') };
    await writeFile(environment['GATEWAY_CLIENTS']!, yamlOf('first'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  async function client(...args: string[]): Promise<{ ok: boolean; stdout: string; stderr: string }> {
    const options = { env: environment };
    return run(process.execPath, ['apps/gateway/dist/client-command.js', ...args], options).then(
      ({ stdout, stderr }) => ({ ok: true, stdout, stderr }),
      (error: { stdout: string; stderr: string }) => ({
        ok: false,
        stdout: error.stdout,
        stderr: error.stderr,
      }),
    );
  }
  const secretIn = (stdout: string) => /client_secret: ([\w-]{43})\n/.exec(stdout)?.[1] ?? '';
  async function accepts(id: string, secret: string, atSeconds = nowSeconds()): Promise<boolean> {
    const registry = await FileClientRegistry.open(environment['GATEWAY_CLIENTS']!, log);
    const found = await registry.find(id);
    await registry.close();
    return isClientSecret(found, secret, atSeconds);
  }

  it('adds a client and shows its secret, which nothing shows again', async () => {
    const { stdout } = await client(
      'add',
      'shop',
      '--grants',
      'password,refresh_token',
      '--scope',
      'read:venues',
    );
    const secret = secretIn(stdout);
    expect(await accepts('shop', secret)).toBe(true);
    const listed = (await client('list')).stdout;
    expect(listed).toContain('shop  enabled  password,refresh_token  "read:venues"');
    const file = await readFile(environment['GATEWAY_CLIENTS']!, 'utf8');
    for (const text of [listed, file]) expect(text).not.toContain(secret);
    expect(file).toContain('# kept');
    expect(file).toContain('# a remark');
  });

  it('rotates a secret: the former one stays good for its time', async () => {
    const first = secretIn((await client('add', 'shop', '--grants', 'password', '--scope', 'a')).stdout);
    const second = secretIn((await client('rotate', 'shop', '--keep-hours', '2')).stdout);
    expect([await accepts('shop', first), await accepts('shop', second)]).toEqual([true, true]);
    const later = nowSeconds() + 2 * 3600 + 1;
    expect([await accepts('shop', first, later), await accepts('shop', second, later)]).toEqual([
      false,
      true,
    ]);
    const third = secretIn((await client('rotate', 'shop', '--keep-hours', '0')).stdout);
    expect([await accepts('shop', second), await accepts('shop', third)]).toEqual([false, true]);
  });

  it('disables and enables', async () => {
    const enabled = async () =>
      (await ClientDocument.read(environment['GATEWAY_CLIENTS']!)).clients[0]!.enabled;
    await client('disable', 'first');
    expect(await enabled()).toBe(false);
    await client('enable', 'first');
    expect(await enabled()).toBe(true);
  });

  it('does the same in Redis', async () => {
    const redis = await RedisServer.start();
    environment = { ...environment, GATEWAY_CLIENTS: 'redis:', REDIS_URL: redis.url, ENVIRONMENT: 'local' };
    const { stdout } = await client('add', 'shop', '--grants', 'password', '--scope', 'a');
    await client('disable', 'shop');
    const listed = await client('list');
    await redis.stop();
    expect(secretIn(stdout)).toMatch(/^[\w-]{43}$/);
    expect(listed.stdout).toContain('shop  disabled');
  });

  it.each([
    ['nothing', [], 'Usage'],
    ['an unknown command', ['remove', 'first'], 'Usage'],
    ['an unknown client', ['rotate', 'nobody'], 'There is no client nobody'],
    ['a client that exists', ['add', 'first', '--grants', 'password', '--scope', 'a'], 'already'],
    ['no grants', ['add', 'x', '--scope', 'a'], 'grant_types'],
    ['an unknown grant', ['add', 'x', '--grants', 'implicit', '--scope', 'a'], 'grant_types'],
    ['no scope', ['add', 'x', '--grants', 'password'], 'scope'],
    ['hours that are no number', ['rotate', 'first', '--keep-hours', 'x'], '--keep-hours'],
    ['an unknown option', ['list', '--verbose'], '--verbose'],
  ])('refuses %s, and changes nothing', async (_title, args, named) => {
    const before = await readFile(environment['GATEWAY_CLIENTS']!, 'utf8');
    const refused = await client(...args);
    expect(refused.ok).toBe(false);
    expect(refused.stderr).toContain(named);
    expect(refused.stderr).not.toMatch(/\n {4}at /);
    expect(await readFile(environment['GATEWAY_CLIENTS']!, 'utf8')).toBe(before);
  });
});

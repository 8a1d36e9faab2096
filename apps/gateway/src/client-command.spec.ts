import { execFile, spawnSync } from 'node:child_process';
import {
  chmod,
  chown,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { jest } from '@jest/globals';
import type { RunningHttpService } from '@app/ops';
import { storePrefix } from '@app/store';
import { RedisServer } from '@app/test-support/redis/redis-server';
import {
  asUnprivilegedUser,
  clientRecord,
  clientsYaml,
  HASH_OF_S,
  isRoot,
  UNPRIVILEGED_UID,
  silentLog as log,
  unlessRoot,
} from '@app/test-support/suite/oauth-clients';
import { ClientDocument } from './adapters/client-document.js';
import { ClientFile } from './adapters/client-file.js';
import type { ClientRecords } from './adapters/client-records.js';
import { FileClientRegistry } from './adapters/file-client-registry.js';
import { StoreClientRecords } from './adapters/store-client-records.js';
import { isClientSecret } from './core/client.js';
import { awaitInForce } from './gateways-in-force.js';
import { readGatewayConfig, startGateway } from './index.js';
import { runClientCommand } from './run-client-command.js';

// Nine processes at once take a second of CPU each to start.
jest.setTimeout(300_000);

const run = promisify(execFile);
const nowSeconds = () => Date.now() / 1000;

/** Needs root, and a container that allows it. */
const mayMount = isRoot && spawnSync('unshare', ['-m', 'mount', '--bind', '/tmp', '/tmp']).status === 0;
const unlessMounts = mayMount ? '' : ' (skipped: nothing can be mounted here)';

describe('npm run client', () => {
  let folder: string;
  let environment: Record<string, string>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'clients-'));
    environment = { PATH: process.env['PATH'] ?? '', GATEWAY_CLIENTS: join(folder, 'clients.yaml') };
    await writeFile(environment['GATEWAY_CLIENTS']!, clientsYaml('first'));
  });

  afterEach(() => rm(folder, { recursive: true }));

  interface Outcome {
    readonly ok: boolean;
    readonly stdout: string;
    readonly stderr: string;
  }

  async function client(...args: string[]): Promise<Outcome> {
    const written = { stdout: '', stderr: '' };
    const to = (name: keyof typeof written) => ({ write: (text: string) => (written[name] += text) });
    const code = await runClientCommand(args, {
      env: environment,
      stdout: to('stdout'),
      stderr: to('stderr'),
    });
    return { ok: code === 0, ...written };
  }

  /** The same, as a user runs it. */
  async function clientProcess(...args: string[]): Promise<Outcome> {
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

  it('adds a client and shows its secret only once', async () => {
    const { stdout } = await clientProcess(
      'add',
      'shop',
      '--grants',
      'password,refresh_token',
      '--scope',
      'read:venues',
    );
    const secret = secretIn(stdout);
    expect(await accepts('shop', secret)).toBe(true);
    const listed = (await clientProcess('list')).stdout;
    expect(listed).toContain('shop  enabled  password,refresh_token  "read:venues"');
    const file = await readFile(environment['GATEWAY_CLIENTS']!, 'utf8');
    for (const text of [listed, file]) expect(text).not.toContain(secret);
    expect(file).toContain('# kept');
    expect(file).toContain('# a remark');
  });

  it('rotates a secret: the former one stays valid for its time', async () => {
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
    const { stdout } = await clientProcess('add', 'shop', '--grants', 'password', '--scope', 'a');
    await client('disable', 'shop');
    const listed = await client('list');
    await redis.stop();
    expect(secretIn(stdout)).toMatch(/^[\w-]{43}$/);
    expect(listed.stdout).toContain('shop  disabled');
  });

  describe.each([
    ['in a file', false],
    ['in Redis', true],
  ])('24 at once, from nine processes, on clients %s', (_title, inRedis) => {
    let redis: RedisServer | undefined;
    let records: ClientRecords;
    /** JavaScript that uses the same records in another process. */
    let elsewhere: string;

    beforeEach(async () => {
      const path = environment['GATEWAY_CLIENTS']!;
      const adapter = (name: string) => `await import('./apps/gateway/dist/adapters/${name}.js')`;
      records = new ClientFile(path);
      elsewhere = `const { ClientFile } = ${adapter('client-file')}; const records = new ClientFile('${path}');`;
      if (!inRedis) return;
      redis = await RedisServer.start();
      const [url, secret] = [redis.url, 'a-token-cache-secret-of-32-characters'];
      const settings = { GATEWAY_CLIENTS: 'redis:', REDIS_URL: url, TOKEN_CACHE_SECRET: secret };
      environment = { ...environment, ENVIRONMENT: 'local', ...settings };
      const prefix = storePrefix({ environment: 'local', issuer: 'http://localhost:3002/' });
      records = await StoreClientRecords.open(url, [secret], { prefix });
      elsewhere = `const { StoreClientRecords } = ${adapter('store-client-records')}; const records = await StoreClientRecords.open('${url}', ['${secret}'], { prefix: '${prefix}' });`;
    });

    afterEach(async () => {
      await records.close();
      await redis?.stop();
    });

    it('are all done, and each reports its result', async () => {
      await records.change('old', () => clientRecord('old'));
      const addTwice = () => clientProcess('add', 'twice', '--grants', 'password', '--scope', 'a');
      const addFour = (name: string) => {
        const all = [0, 1, 2, 3].map((i) => clientRecord(`new-${name}-${i}`));
        const script = `${elsewhere}
          await Promise.all(${JSON.stringify(all)}.map((record) => records.change(record.client_id, () => record)));
          await records.close();`;
        return run(process.execPath, ['--input-type=module', '-e', script]);
      };
      const [outcomes] = await Promise.all([
        Promise.all([
          addTwice(),
          addTwice(),
          clientProcess('rotate', 'old'),
          clientProcess('disable', 'old'),
        ]),
        ...['a', 'b', 'c', 'd', 'e'].map(addFour),
      ]);
      const failed = outcomes.filter(({ ok }) => !ok);
      expect(failed).toEqual([expect.objectContaining({ stderr: expect.stringContaining('already') })]);
      const listed = await records.list();
      const ids = listed.map(({ client_id: id }) => id).filter((id) => id !== 'first');
      expect(ids.filter((id) => id.startsWith('new-'))).toHaveLength(20);
      expect(ids.filter((id) => !id.startsWith('new-'))).toEqual(['old', 'twice']);
      const old = listed.find(({ client_id: id }) => id === 'old');
      expect(old).toMatchObject({ enabled: false, secrets: [expect.anything(), expect.anything()] });
      expect(await readdir(folder)).toEqual(['clients.yaml']);
    });
  });

  it('keeps the mode of the file, and a symbolic link to it', async () => {
    const target = join(folder, 'elsewhere.yaml');
    await writeFile(target, clientsYaml('first'));
    await chmod(target, 0o640);
    await rm(environment['GATEWAY_CLIENTS']!);
    await symlink('elsewhere.yaml', environment['GATEWAY_CLIENTS']!);
    await run(
      'sh',
      ['-c', `umask 077; exec "$0" apps/gateway/dist/client-command.js disable first`, process.execPath],
      {
        env: environment,
      },
    );
    expect(await readlink(environment['GATEWAY_CLIENTS']!)).toBe('elsewhere.yaml');
    expect((await stat(target)).mode & 0o7777).toBe(0o640);
    expect(await readFile(target, 'utf8')).toContain('enabled: false');
    expect((await readdir(folder)).toSorted()).toEqual(['clients.yaml', 'elsewhere.yaml']);
  });

  (isRoot ? it : it.skip)(`keeps owner and group when root runs it${unlessRoot}`, async () => {
    const path = environment['GATEWAY_CLIENTS']!;
    await chown(path, 1234, 2345);
    await chmod(path, 0o600);
    for (const command of ['disable', 'rotate']) {
      expect(await client(command, 'first')).toMatchObject({ ok: true });
      const { uid, gid, mode } = await stat(path);
      expect([uid, gid, mode & 0o7777]).toEqual([1234, 2345, 0o600]);
    }
  });

  it('keeps every comment, in any place', async () => {
    const path = environment['GATEWAY_CLIENTS']!;
    const comments = [
      '# top',
      '# before',
      '# id',
      '# state',
      '# grants',
      '# secrets',
      '# old',
      '# hash',
      '# end',
    ];
    await writeFile(
      path,
      [
        '# top\nclients:',
        '  # before',
        '  - client_id: first # id',
        '    enabled: true # state',
        '    # grants',
        '    grant_types: [password]',
        '    scope: read:venues',
        '    # secrets',
        '    secrets:',
        '      # old',
        `      - hash: ${HASH_OF_S} # hash`,
        '# end',
        '',
      ].join('\n'),
    );
    for (const command of ['disable', 'rotate']) await client(command, 'first');
    await client('add', 'second', '--grants', 'password', '--scope', 'a');
    const after = await readFile(path, 'utf8');
    expect(after.match(/#.*/g)).toEqual(comments);
    expect(after).toContain('grant_types: [password]');
    expect((await ClientDocument.read(path)).clients[0]!.secrets).toHaveLength(2);
  });

  it('changes no other client that shares a part with the named one', async () => {
    const second = clientsYaml('second')
      .split('\n')
      .slice(2)
      .join('\n')
      .replace(/secrets:[^]*/, 'secrets: *shared\n');
    const content = clientsYaml('first').replace('secrets:', 'secrets: &shared') + second;
    await writeFile(environment['GATEWAY_CLIENTS']!, content);
    const refused = await client('rotate', 'first');
    expect(refused).toMatchObject({ ok: false, stderr: expect.stringContaining('*alias') });
    expect(await readFile(environment['GATEWAY_CLIENTS']!, 'utf8')).toBe(content);
    expect((await client('disable', 'first')).ok).toBe(true);
  });

  describe('says in one sentence why the file cannot be changed, and changes nothing', () => {
    const change = () =>
      new ClientFile(environment['GATEWAY_CLIENTS']!).change('first', () => clientRecord('first', false));
    /** Runs as a user without root's rights. */
    const refused = async () =>
      isRoot ? asUnprivilegedUser(() => change().then(String, String)) : change().then(String, String);

    beforeEach(() => chmod(folder, 0o755));

    it.each([
      ['the file is read-only', 0o444, 0o777],
      ['its folder is read-only', 0o666, 0o555],
    ])('%s', async (_title, fileMode, folderMode) => {
      const path = environment['GATEWAY_CLIENTS']!;
      if (isRoot) await chown(path, UNPRIVILEGED_UID, UNPRIVILEGED_UID);
      await chmod(path, fileMode);
      await chmod(folder, folderMode);
      expect(await refused()).toBe(
        `StartError: ${path} cannot be changed (EACCES): this user may not write to the file or to its folder, or may not keep its owner; run the command as its owner or as root.`,
      );
      await chmod(folder, 0o755);
      expect(await readFile(path, 'utf8')).toBe(clientsYaml('first'));
      expect(await readdir(folder)).toEqual(['clients.yaml']);
    });

    (isRoot ? it : it.skip)(`the file belongs to another user, who would lose it${unlessRoot}`, async () => {
      const path = environment['GATEWAY_CLIENTS']!;
      await chown(path, 1234, 2345);
      await chmod(path, 0o666);
      await chmod(folder, 0o777);
      expect(await refused()).toContain('cannot be changed (EPERM)');
      expect(await stat(path)).toMatchObject({ uid: 1234, gid: 2345 });
      expect(await readFile(path, 'utf8')).toBe(clientsYaml('first'));
      expect(await readdir(folder)).toEqual(['clients.yaml']);
    });

    (mayMount ? it : it.skip)(`the file is mounted by itself${unlessMounts}`, async () => {
      const path = environment['GATEWAY_CLIENTS']!;
      const script = `mount --bind "$0" "$0" && exec "$1" apps/gateway/dist/client-command.js disable first`;
      const failed = run('unshare', ['-m', 'sh', '-c', script, path, process.execPath], { env: environment });
      await expect(failed).rejects.toMatchObject({
        stderr: `${path} cannot be changed (EBUSY): it is mounted by itself and cannot be replaced; mount the folder that it is in instead.\n`,
      });
      expect(await readFile(path, 'utf8')).toBe(clientsYaml('first'));
      expect(await readdir(folder)).toEqual(['clients.yaml']);
    });
  });

  describe('--wait', () => {
    let gateway: RunningHttpService;

    beforeEach(async () => {
      const config = readGatewayConfig({
        ENVIRONMENT: 'local',
        PORT: '0',
        OPS_PORT: '0',
        USER_TOKEN_URL: 'tcp://127.0.0.1:1',
        GATEWAY_CLIENTS: environment['GATEWAY_CLIENTS'],
      });
      gateway = await startGateway(config, { logger: log, store: undefined });
    });

    afterEach(() => gateway.stop());

    const opsUrl = () => `http://127.0.0.1:${gateway.opsPort}`;
    const statusOf = async (secret: string) => {
      const body = new URLSearchParams({ client_id: 'first', client_secret: secret, token: 'x' });
      return (await fetch(`http://127.0.0.1:${gateway.port}/oauth2/introspect`, { method: 'POST', body }))
        .status;
    };

    it('ends when the gateway uses the change', async () => {
      expect(await statusOf('s')).toBe(200);
      const waiting = ['--wait', opsUrl(), '--wait', opsUrl()];
      const { stdout, stderr } = await clientProcess('disable', 'first', ...waiting);
      expect(await statusOf('s')).toBe(401);
      expect(stdout).toBe(
        'first is disabled. Every gateway that reads this file uses it within a second.\nIt is in force.\n',
      );
      expect(stderr).toBe('');
    });

    it('names the gateways that do not', async () => {
      const clients = new ClientFile(environment['GATEWAY_CLIENTS']!);
      const other = join(folder, 'other.yaml');
      await writeFile(other, clientsYaml('other'));
      const ofOther = () => new ClientFile(other).inForceAs();
      const [own, unreachable] = [new URL(opsUrl()), new URL('http://127.0.0.1:1')];
      const noOps = new URL(`http://127.0.0.1:${gateway.port}`);
      expect(await awaitInForce([own, unreachable, noOps], () => clients.inForceAs(), 0)).toEqual([
        '  http://127.0.0.1:1: gives no answer',
        `  ${noOps.origin}: does not tell its clients; is this the ops listener of a gateway?`,
      ]);
      expect(await awaitInForce([own], ofOther, 0)).toEqual([
        `  ${own.origin}: ${await clients.inForceAs()}`,
      ]);
    });
  });

  it.each([[['--help']], [['-h']], [['rotate', '--help']]])(
    'prints its help with %j, without a setting',
    async (args) => {
      environment = { PATH: environment['PATH']!, GATEWAY_CLIENTS: 'redis:' };
      const { ok, stdout, stderr } = await client(...args);
      expect({ ok, stderr }).toEqual({ ok: true, stderr: '' });
      expect(stdout).toMatch(/^Usage:\n {2}npm run client -- list\n/);
    },
  );

  it('needs only its file, and no setting at all to refuse wrong arguments', async () => {
    environment = {
      PATH: environment['PATH']!,
      ENVIRONMENT: 'prod',
      GATEWAY_CLIENTS: environment['GATEWAY_CLIENTS']!,
    };
    expect(await clientProcess('list')).toMatchObject({ ok: true, stderr: '' });
    environment['GATEWAY_CLIENTS'] = 'redis:';
    expect((await client()).stderr).toMatch(/^Usage:/);
    expect((await client('remove', 'first')).stderr).toMatch(/^Usage:/);
    expect((await client('rotate', 'first', '--keep-hours', 'x')).stderr).toMatch(/^--keep-hours must/);
  });

  it('does not use the clients for local work as those of a deployment', async () => {
    environment = { PATH: environment['PATH']!, ENVIRONMENT: 'prod' };
    expect(await client('list')).toMatchObject({
      ok: false,
      stderr: 'GATEWAY_CLIENTS is not set, so this gateway has no clients: name a YAML file, or redis:.\n',
    });
  });

  it('ends with 1 after a refusal, also of an unknown option, and gives the reason in a line', async () => {
    const refused = run(process.execPath, ['apps/gateway/dist/client-command.js', 'list', '--verbose'], {
      env: environment,
    });
    await expect(refused).rejects.toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^[^\n]*--verbose[^\n]*\n$/),
    });
  });

  it.each([
    ['a URL to wait for that is none', ['disable', 'first', '--wait', '127.0.0.1:9000'], '--wait'],
    ['nothing', [], 'Usage'],
    ['an unknown command', ['remove', 'first'], 'Usage'],
    ['an unknown client', ['rotate', 'absent'], 'There is no client absent'],
    ['a client that exists', ['add', 'first', '--grants', 'password', '--scope', 'a'], 'already'],
    ['no grants', ['add', 'x', '--scope', 'a'], 'grant_types'],
    ['an unknown grant', ['add', 'x', '--grants', 'implicit', '--scope', 'a'], 'grant_types'],
    ['no scope', ['add', 'x', '--grants', 'password'], 'scope'],
    ['hours that are no number', ['rotate', 'first', '--keep-hours', 'x'], '--keep-hours'],
  ])('refuses %s, and changes nothing', async (_title, args, named) => {
    const before = await readFile(environment['GATEWAY_CLIENTS']!, 'utf8');
    const refused = await client(...args);
    expect(refused.ok).toBe(false);
    expect(refused.stderr).toContain(named);
    expect(refused.stderr).not.toMatch(/\n {4}at /);
    expect(await readFile(environment['GATEWAY_CLIENTS']!, 'utf8')).toBe(before);
  });
});

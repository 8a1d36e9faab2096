import { writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartError } from '@app/ops';
import {
  asUnprivilegedUser,
  clientsYaml,
  HASH_OF_S,
  heardLog,
  isRoot,
  silentLog,
} from '@app/test-support/suite/oauth-clients';
import { until } from '@app/test-support/timing/until';
import { FileClientRegistry } from './file-client-registry.js';

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
    ['nothing', '', 'the whole file'],
    ['no list', 'a: 1', 'clients'],
    ['an unknown key', clientsYaml('a', '    enabld: true\n'), 'enabld'],
    ['an unknown grant', clientsYaml('a').replace('[password]', '[implicit]'), 'grant_types'],
    ['no grant', clientsYaml('a').replace('[password]', '[]'), 'grant_types'],
    ['a scope with a quote', clientsYaml('a').replace('read:venues', "'a\"b'"), 'scope'],
    ['an umlaut in the client_id', clientsYaml('ü'), 'client_id'],
    ['a secret in the clear', clientsYaml('a').replace(HASH_OF_S, 'canary-secret'), 'secrets.0.hash'],
    ['an expiry that is no time', clientsYaml('a', '        expires_at: soon\n'), 'expires_at'],
    ['a client twice', `${clientsYaml('a')}${clientsYaml('a').split('\n').slice(2).join('\n')}`, 'twice'],
  ])('%s is refused at start, and not repeated', async (_title, content, named) => {
    await writeFile(path, content);
    const refused = await FileClientRegistry.open(path, silentLog).catch((error: unknown) => error as Error);
    expect(refused).toBeInstanceOf(StartError);
    expect((refused as Error).message).toContain(named);
    expect((refused as Error).message).not.toContain('canary');
  });

  it('a missing file stops the start', async () => {
    await expect(FileClientRegistry.open(path, silentLog)).rejects.toThrow('ENOENT');
  });

  const found = async (id: string) => (await registry!.find(id))?.clientId;
  const within = (id: string) => until(async () => (await found(id)) === id, 10_000);

  it('are read again when the file changes, or the file or a link to it is replaced', async () => {
    const first = join(folder, 'first.yaml');
    await writeFile(first, clientsYaml('one'));
    await symlink(first, path);
    registry = await FileClientRegistry.open(path, silentLog);
    expect(await found('one')).toBe('one');
    await writeFile(first, clientsYaml('two'));
    await within('two');
    await writeFile(join(folder, 'new'), clientsYaml('three-is-longer'));
    await rename(join(folder, 'new'), first);
    await within('three-is-longer');
    await writeFile(join(folder, 'other.yaml'), clientsYaml('four-is-even-longer'));
    await symlink(join(folder, 'other.yaml'), join(folder, 'link'));
    await rename(join(folder, 'link'), path);
    await within('four-is-even-longer');
    expect(await found('one')).toBeUndefined();
  });

  it('are read again when the file changes right after a read', async () => {
    await writeFile(path, clientsYaml('one'));
    registry = await FileClientRegistry.open(path, silentLog);
    writeFileSync(path, clientsYaml('two'));
    await within('two');
  });

  /** Makes the file unreadable for this process while `run` runs. */
  const unreadable = async (run: () => Promise<void>) => {
    if (isRoot) return asUnprivilegedUser(run);
    await chmod(path, 0);
    return run().finally(() => chmod(path, 0o600));
  };

  it.each<[string, string, (broken: () => Promise<void>) => Promise<void>]>([
    ['is not valid', 'not valid', (run) => writeFile(path, 'clients: 17').then(run)],
    [
      'is half written',
      'not YAML',
      (run) => writeFile(path, clientsYaml('two').slice(0, -80) + '"').then(run),
    ],
    ['is empty', 'not valid', (run) => writeFile(path, '').then(run)],
    ['is missing', 'ENOENT', (run) => unlink(path).then(run)],
    [
      'is a folder',
      'EISDIR',
      (run) =>
        unlink(path)
          .then(() => mkdir(path))
          .then(run)
          .then(() => rm(path, { recursive: true })),
    ],
    ['may not be read', 'EACCES', unreadable],
  ])('a file that %s changes nothing, and is told once, until it is well', async (_title, reason, broken) => {
    await writeFile(path, clientsYaml('one'));
    const { log, lines, errors } = heardLog();
    registry = await FileClientRegistry.open(path, log);
    const before = registry.inForce();
    await broken(async () => {
      await until(() => errors().length > 0, 10_000);
      // Long enough for another read with the same result.
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      expect(await found('one')).toBe('one');
      expect(registry!.inForce()).toContain('the file cannot be used');
    });
    const [error, ...more] = errors();
    expect(error).toMatchObject({
      reason: expect.stringContaining(reason),
      inForce: { revision: before.split(' ')[1], enabled: ['one'] },
      msg: expect.stringContaining('are kept'),
    });
    expect(more).toEqual([]);
    expect(JSON.stringify(lines)).not.toContain('    at ');
    await writeFile(path, clientsYaml('one'));
    await until(() => lines.some(({ msg }) => msg.includes('as it was')), 10_000);
    expect(registry.inForce()).toBe(before);
    await writeFile(path, clientsYaml('two-again'));
    await within('two-again');
    expect(registry.inForce()).not.toBe(before);
    expect(errors()).toHaveLength(1);
  });
});

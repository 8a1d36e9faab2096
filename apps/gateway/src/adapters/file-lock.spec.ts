import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { withFileLock } from './file-lock.js';

describe('the lock on a file', () => {
  let folder: string;
  let path: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lock-'));
    path = join(folder, 'count');
    await writeFile(path, '0');
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(folder, { recursive: true });
  });

  const countOne = async () => {
    const count = Number(await readFile(path, 'utf8'));
    await new Promise((resolve) => setImmediate(resolve));
    await writeFile(path, String(count + 1));
  };
  const countAtOnce = (times: number) =>
    Promise.all(Array.from({ length: times }, () => withFileLock(path, countOne)));

  /** A process that already holds the lock. */
  async function holder() {
    const module = pathToFileURL('apps/gateway/dist/adapters/file-lock.js').href;
    const script = `
      const { withFileLock } = await import('${module}');
      await withFileLock(${JSON.stringify(path)}, () => new Promise(() => { console.log('held'); setInterval(() => {}, 1000); }));
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    await once(child.stdout, 'data');
    return child;
  }

  it('lets in one at a time, in any order, and leaves nothing behind', async () => {
    await countAtOnce(40);
    expect(await readFile(path, 'utf8')).toBe('40');
    expect(await readdir(folder)).toEqual(['count']);
  });

  it('is free again after its task has failed', async () => {
    await expect(withFileLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await countAtOnce(1);
    expect(await readdir(folder)).toEqual(['count']);
  });

  it('of a killed process is taken over, by one at a time', async () => {
    const child = await holder();
    const dead = await readlink(`${path}.lock`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    for (let round = 0; round < 5; round += 1) {
      if (round > 0) await symlink(dead, `${path}.lock`);
      await countAtOnce(8);
    }
    expect(await readFile(path, 'utf8')).toBe('40');
    expect(await readdir(folder)).toEqual(['count']);
  });

  it('of an earlier process with our number is taken over', async () => {
    await symlink(`${process.pid}@${hostname()}#00000000-0000-4000-8000-000000000000`, `${path}.lock`);
    await countAtOnce(3);
    expect(await readFile(path, 'utf8')).toBe('3');
  });

  it.each([
    ['a process that lives', holder],
    ['another host', () => symlink('1@elsewhere#00000000-0000-4000-8000-000000000000', `${path}.lock`)],
    ['who knows what', () => symlink('nonsense', `${path}.lock`)],
  ])('of %s is left alone, and who asks is told which file it is', async (_title, hold) => {
    await hold();
    const before = await readlink(`${path}.lock`);
    await expect(withFileLock(path, countOne, 300)).rejects.toThrow(`delete ${path}.lock`);
    expect(await readlink(`${path}.lock`)).toBe(before);
    expect(await readFile(path, 'utf8')).toBe('0');
  });
});

import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';

// The start of npm takes a second of CPU.
jest.setTimeout(120_000);

describe('scripts/ensure-installed.mjs', () => {
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'workspaces-'));
    await cp('scripts/ensure-installed.mjs', join(root, 'scripts/ensure-installed.mjs'));
    await writeManifest('.', { name: 'suite', workspaces: ['libs/*', 'apps/*'] });
    await writeManifest('apps/venue', { name: '@app/venue', version: '1.0.0' });
    await mkdir(join(root, 'libs'));
    npm('install', '--package-lock-only');
  });

  afterEach(() => rm(root, { recursive: true }));

  async function writeManifest(folder: string, manifest: object): Promise<void> {
    await mkdir(join(root, folder), { recursive: true });
    await writeFile(join(root, folder, 'package.json'), JSON.stringify(manifest));
  }
  const npm = (...args: string[]) =>
    spawnSync('npm', [...args, '--offline', '--no-audit', '--no-fund'], { cwd: root });
  const ensureInstalled = (environment: Record<string, string> = {}) => {
    const { PATH = '', HOME = '' } = process.env;
    const env = { PATH, HOME, npm_config_offline: 'true', ...environment };
    const { status, stderr } = spawnSync(process.execPath, ['scripts/ensure-installed.mjs'], {
      cwd: root,
      env,
    });
    return { ok: status === 0, lines: stderr.toString().trim().split('\n') };
  };
  const lock = () => readFile(join(root, 'package-lock.json'), 'utf8');

  it.each([
    ['a new app', 'apps/kiosk', { name: '@app/kiosk', version: '1.0.0' }, '@app/kiosk@1.0.0'],
    ['a new library', 'libs/seats', { name: '@app/seats', version: '1.0.0' }, '@app/seats@1.0.0'],
  ])('adds %s to the lock, and says so in a line', async (_title, folder, manifest, named) => {
    expect(ensureInstalled()).toEqual({ ok: true, lines: ['Installing dependencies ...'] });
    await writeManifest(folder, manifest);
    expect(ensureInstalled()).toEqual({
      ok: true,
      lines: [
        'Installing dependencies ...',
        `package-lock.json is out of step (Missing: ${named} from lock file): running "npm install", which adds it.`,
      ],
    });
    expect(await lock()).toContain(folder);
  });

  it('says in one line what to run if the lock must not change', async () => {
    await writeManifest('apps/kiosk', { name: '@app/kiosk', version: '1.0.0' });
    const before = await lock();
    expect(ensureInstalled({ CI: 'true' })).toEqual({
      ok: false,
      lines: [
        'Installing dependencies ...',
        'Setting up failed: package-lock.json is out of step (Missing: @app/kiosk@1.0.0 from lock file): run "npm install" and commit it.',
      ],
    });
    expect(await lock()).toBe(before);
  });

  it('names an invalid package.json', async () => {
    await mkdir(join(root, 'apps/kiosk'));
    await writeFile(join(root, 'apps/kiosk/package.json'), '{');
    const { ok, lines } = ensureInstalled();
    expect(ok).toBe(false);
    expect(lines).toEqual([expect.stringContaining('apps/kiosk/package.json')]);
  });
});

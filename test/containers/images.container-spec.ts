import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { jest } from '@jest/globals';
import { buildImage, docker } from '@app/test-support/suite/docker';
import { clientsYaml, isRoot } from '@app/test-support/suite/oauth-clients';

jest.setTimeout(600_000);

const STORE = ['store', 'store-settings'];
const GUARD = ['auth', 'auth-settings', 'contract', 'ops', ...STORE, 'user-token-client', 'wire'];

/** Libraries of each service, direct or not. */
const SERVICES: [string, string[]][] = [
  ['gateway', GUARD],
  ['venue', GUARD],
  ['user-token', ['contract', 'ops', ...STORE, 'wire']],
  ['identity', ['ops']],
];
const IN_LOCAL = ['--env', 'ENVIRONMENT=local', '--env', 'HOST=0.0.0.0'];
/** The options of a cluster. */
const STRICT = ['--rm', '--read-only', '--network', 'none', '--cap-drop', 'ALL', '--memory', '256m'];

describe.each(SERVICES)('the image of %s', (service, libraries) => {
  let image: string;

  beforeAll(async () => {
    image = await buildImage(service);
  });

  it('holds this service, its libraries and their modules, and nothing of other services', async () => {
    const list = `
      const { existsSync, readdirSync } = require('node:fs');
      const entries = (folder, options) => readdirSync('/app/' + folder, options).toSorted();
      const files = entries('.', { recursive: true });
      const forBuilding = ['typescript', 'jest', '@swc/core', '@vercel/nft', '@nestjs/platform-express'];
      const surplus = [
        ...files.filter((path) => !path.includes('node_modules') && /\\.ts$|tsbuildinfo$/.test(path)),
        ...forBuilding.filter((name) => existsSync('/app/node_modules/' + name)),
      ];
      console.log(JSON.stringify({ apps: entries('apps'), libs: entries('libs'), surplus, files: files.length }));`;
    const { files, ...held } = JSON.parse(await docker('run', ...STRICT, image, 'node', '-e', list));
    expect(held).toEqual({ apps: [service], libs: libraries, surplus: [] });
    // An installation without development has more than 12,000.
    expect(files).toBeLessThan(5_000);
  });

  it.each([0, 300])('ends at once after a stop %i ms after its start', async (afterMs) => {
    const id = await docker('run', '--detach', '--init', ...STRICT.slice(1), ...IN_LOCAL, image);
    try {
      await delay(afterMs);
      await docker('stop', '--time', '60', id);
      // 143 is the signal itself, before there was a handler. 137 would be the end of the grace period.
      expect(['0', '143']).toContain(await docker('inspect', '--format', '{{.State.ExitCode}}', id));
    } finally {
      await docker('rm', '--force', id);
    }
  });
});

describe('npm run client in the image of the gateway', () => {
  // A user that the image does not know. The owner of the file may replace it.
  const uid = isRoot ? 54_321 : process.getuid!();
  let image: string;
  let folder: string;

  beforeAll(async () => {
    image = await buildImage('gateway');
    folder = await mkdtemp(join(tmpdir(), 'clients-'));
    await writeFile(join(folder, 'clients.yaml'), clientsYaml('first'));
    for (const path of [folder, join(folder, 'clients.yaml')]) await chown(path, uid, uid);
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  const client = (...args: string[]) => {
    const mounted = ['--volume', `${folder}:/clients`, '--env', 'GATEWAY_CLIENTS=/clients/clients.yaml'];
    const command = ['npm', 'run', '--silent', 'client', '--', ...args];
    return docker('run', ...STRICT, '--user', `${uid}:${uid}`, ...mounted, image, ...command);
  };

  it('explains itself', async () => {
    expect(await client('--help')).toMatch(/^Usage:/);
  });

  it('changes the clients of a mounted folder, without a secret', async () => {
    expect(await client('add', 'shop', '--grants', 'password', '--scope', 'a')).toMatch(
      /^client_id: {5}shop$/m,
    );
    expect(await client('list')).toMatch(/^first {2}enabled .*\nshop {2}enabled/);
    expect(await readFile(join(folder, 'clients.yaml'), 'utf8')).toContain('# a remark');
  });
});

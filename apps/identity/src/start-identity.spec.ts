import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@app/ops';
import { hashPassword } from './core/password-hash.js';
import { readIdentityConfig, startIdentity } from './index.js';
import { defaultSeedPath } from './adapters/seed-file/load-seed.js';

describe('identity outside of local work', () => {
  const start = (IDENTITY_SEED?: string) =>
    startIdentity(
      readIdentityConfig({
        ENVIRONMENT: 'int',
        HOST: '127.0.0.1',
        PORT: '0',
        OPS_HOST: '127.0.0.1',
        OPS_PORT: '0',
        AUTH0_ISSUER_URL: 'https://auth.acme.example/',
        IDENTITY_SEED,
      }),
      { logger: createLogger({ service: 'identity', environment: 'int', level: 'silent' }) },
    );

  async function seedWith(change: (bundled: string) => string): Promise<string> {
    const path = join(await mkdtemp(join(tmpdir(), 'identity-')), 'seed.yaml');
    await writeFile(path, change(await readFile(defaultSeedPath, 'utf8')));
    return path;
  }
  const withOwnSecrets = (seed: string) => seed.replace(/-local-secret$/gm, '-secret-of-its-own');

  it.each<[string, () => Promise<string | undefined>, RegExp]>([
    [
      'no seed of its own',
      async () => undefined,
      /IDENTITY_SEED is for local work.*ada@example.com.*the secret of brief/,
    ],
    [
      'a copy of the one that comes along',
      () => seedWith((seed) => seed),
      /the password of mallory@example.com/,
    ],
    [
      'published passwords',
      () => seedWith(withOwnSecrets),
      /everybody can read the password of ada@example.com/,
    ],
  ])('does not start with %s', async (_title, seed, message) => {
    await expect(start(await seed())).rejects.toThrow(message);
  });

  it('starts with its own users and clients', async () => {
    const hash = await hashPassword('a password of its own');
    const seed = await seedWith((bundled) => withOwnSecrets(bundled).replace(/scrypt\$\S+/g, hash));
    await (await start(seed)).stop();
  });
});

import { isDeepStrictEqual } from 'node:util';
import { defaultSeedPath, loadSeed, type Seed } from './load-seed.js';

/**
 * Finds entries of a seed with the public passwords and secrets of the bundled seed.
 *
 * @returns names of these users and clients
 */
export async function publishedIn(seed: Seed): Promise<readonly string[]> {
  const bundled = await loadSeed(defaultSeedPath);
  const secrets = new Set([...bundled.directory.clients].map(({ clientSecret }) => clientSecret));
  const users = seed.users.filter(({ passwordHash }) =>
    bundled.users.some((published) => isDeepStrictEqual(published.passwordHash, passwordHash)),
  );
  const clients = [...seed.directory.clients].filter(({ clientSecret }) => secrets.has(clientSecret));
  return [
    ...users.map(({ user }) => `the password of ${user.email}`),
    ...clients.map(({ clientId }) => `the secret of ${clientId}`),
  ];
}

// Copies each built service with the files that it can load, out of 12,000 that are installed, to a folder of its own:
// `node scripts/service-files.mjs /services`.
import { copyFileSync, existsSync, lstatSync, mkdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { nodeFileTrace } from '@vercel/nft';

const ENTRIES = {
  gateway: ['main', 'client-command'],
  venue: ['main'],
  'user-token': ['main'],
  identity: ['main', 'hash-password'],
};

const root = join(import.meta.dirname, '..');
const [target] = process.argv.slice(2);
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
const cache = {};

for (const [service, entries] of Object.entries(ENTRIES)) {
  const { fileList } = await nodeFileTrace(
    entries.map((name) => join(root, 'apps', service, 'dist', `${name}.js`)),
    { base: root, cache, ignore: isForDevelopment },
  );
  for (const file of fileList) {
    copy(file, service);
    // Stacks of ours name the lines of the sources.
    if (!file.includes('node_modules') && existsSync(join(root, `${file}.map`))) copy(`${file}.map`, service);
  }
}

/** Packages often look for others that they can do without. */
function isForDevelopment(path) {
  const [, folder] = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
  const { dev, devOptional } = packages[folder] ?? {};
  return Boolean(dev || devOptional);
}

function copy(file, service) {
  const [from, to] = [join(root, file), join(target, service, file)];
  mkdirSync(dirname(to), { recursive: true });
  if (lstatSync(from).isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else copyFileSync(from, to);
}

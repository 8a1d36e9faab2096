import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../..');

interface Manifest {
  readonly name: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));

const workspaces = ['apps', 'libs']
  .flatMap((group) => readdirSync(join(root, group)).map((name) => `${group}/${name}`))
  .filter((folder) => existsSync(join(root, folder, 'package.json')));

/** Packages that the sources import, without their specs. */
function importedBy(folder: string): string[] {
  const sources = readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
    .map((file) => readFileSync(join(root, folder, 'src', file), 'utf8'));
  const imports = /^(?:import|export|\}).* from '([^'.][^']*)';$|\bimport\('([^'.][^']*)'\)/gm;
  const specifiers = sources.flatMap((source) =>
    [...source.matchAll(imports)].map(([, fixed, dynamic]) => (fixed ?? dynamic)!),
  );
  const names = specifiers
    .filter((specifier) => !specifier.startsWith('node:'))
    .map((specifier) => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)![0]);
  return [...new Set(names)].toSorted();
}

/** Peers of the imported packages. */
const PEERS = ['passport', 'reflect-metadata', 'rxjs'];

// Node finds each package in the one folder, declared or not, until a change removes a workspace or a declaration.
describe('packages for run time', () => {
  it.each(workspaces)('are declared by %s, which imports them', (folder) => {
    const { name, dependencies = {} } = manifestOf(folder);
    const imported = importedBy(folder).filter((dependency) => dependency !== name);
    expect(Object.keys(dependencies)).toEqual(expect.arrayContaining(imported));
    expect(Object.keys(dependencies).filter((entry) => ![...imported, ...PEERS].includes(entry))).toEqual([]);
  });

  it('have one exact version each, and none is declared by the root, which is no program', () => {
    const versions = new Map<string, Set<string>>();
    for (const folder of workspaces) {
      for (const [name, version] of Object.entries(manifestOf(folder).dependencies ?? {})) {
        versions.set(name, (versions.get(name) ?? new Set()).add(version));
      }
    }
    const odd = [...versions].filter(([name, of]) => {
      const [version = '', ...others] = of;
      return others.length > 0 || !(name.startsWith('@app/') ? /^\*$/ : /^\d+\.\d+\.\d+$/).test(version);
    });
    expect(odd).toEqual([]);
    expect(manifestOf('.').dependencies).toBeUndefined();
  });
});

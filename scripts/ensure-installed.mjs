// Runs before `npm start` and `npm test`: installs what package-lock.json asks for, if that is not there yet. What a package.json
// asks for and the lock does not know, such as a new folder in apps/ or libs/, is added to it; CI (CI=true) only says so.
// With --build it also compiles, which takes a tenth of a second when nothing has changed.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const stamp = join(root, 'node_modules', '.installed-lock');
const compiler = join(root, 'node_modules', 'typescript-native', 'bin', 'tsc');

try {
  const installed = existsSync(stamp) && existsSync(compiler) ? readFileSync(stamp, 'utf8') : undefined;
  if (wanted() !== installed) {
    process.stderr.write('Installing dependencies ...\n');
    install();
    writeFileSync(stamp, wanted());
  }
  if (process.argv.includes('--build')) {
    execFileSync(process.execPath, [compiler, '-b'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  }
} catch (error) {
  process.stderr.write(`Setting up failed: ${error.message}\n`);
  process.exit(1);
}

/** The lock, and what it has to be in step with. */
function wanted() {
  const folders = ['apps', 'libs'].flatMap((group) =>
    readdirSync(join(root, group)).map((name) => join(root, group, name)),
  );
  const manifests = [root, join(root, 'test', 'support'), ...folders]
    .map((folder) => join(folder, 'package.json'))
    .filter(existsSync);
  const hash = createHash('sha256').update(readFileSync(join(root, 'package-lock.json')));
  for (const manifest of manifests) {
    const { name, workspaces, dependencies, devDependencies, overrides } = parse(manifest);
    hash.update(JSON.stringify({ name, workspaces, dependencies, devDependencies, overrides }));
  }
  return hash.digest('hex');
}

function parse(manifest) {
  try {
    return JSON.parse(readFileSync(manifest, 'utf8'));
  } catch (error) {
    throw new Error(`${manifest} cannot be read: ${error.message}`, { cause: error });
  }
}

function install() {
  const { ok, errors } = npm('ci');
  if (ok) return;
  // npm tells this, and how `npm ci` is used, in thirty lines.
  const [unknown] = /(Missing|Invalid): .+/.exec(errors) ?? [];
  if (unknown === undefined) throw new Error(`npm ci did not succeed\n${errors}`);
  if (process.env.CI) {
    throw new Error(`package-lock.json is out of step (${unknown}): run "npm install" and commit it.`);
  }
  process.stderr.write(
    `package-lock.json is out of step (${unknown}): running "npm install", which adds it.\n`,
  );
  const added = npm('install');
  if (!added.ok) throw new Error(`npm install did not succeed\n${added.errors}`);
}

function npm(command) {
  // npm names itself to the scripts it runs; that works where it is a .cmd file, too.
  const cli = process.env.npm_execpath;
  const [program, first] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []];
  const args = [...first, command, '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status, error, stderr } = spawnSync(program, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  return { ok: status === 0, errors: error?.message ?? stderr?.toString() ?? '' };
}

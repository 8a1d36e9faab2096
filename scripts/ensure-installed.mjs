// Runs before `npm start` and `npm test`: installs what package-lock.json asks for, if that is not there yet.
// With --build it also compiles, which takes a tenth of a second when nothing has changed.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const stamp = join(root, 'node_modules', '.installed-lock');
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');
const compiler = join(root, 'node_modules', 'typescript-native', 'bin', 'tsc');

try {
  if (!isInstalled()) {
    process.stderr.write('Installing dependencies ...\n');
    npm('ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error');
    writeFileSync(stamp, wanted);
  }
  if (process.argv.includes('--build')) {
    execFileSync(process.execPath, [compiler, '-b'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  }
} catch (error) {
  process.stderr.write(`Setting up failed: ${error.message}\n`);
  process.exit(1);
}

function isInstalled() {
  return existsSync(compiler) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
}

function npm(...args) {
  // npm names itself to the scripts it runs; that works where it is a .cmd file, too.
  const cli = process.env.npm_execpath;
  const [command, first] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []];
  execFileSync(command, [...first, ...args], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
}

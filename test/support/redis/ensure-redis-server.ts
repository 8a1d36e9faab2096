import { execFileSync, spawnSync } from 'node:child_process';

/** Jest's global set-up: checks that `redis-server` runs before any worker starts one. */
export default function ensureRedisServer(): void {
  if (canRun('redis-server')) return;
  if (process.getuid?.() !== 0 || !canRun('apt-get')) {
    throw new Error(
      'The tests need redis-server on PATH: install Redis 7 (Debian: apt-get install redis-server).',
    );
  }
  process.stderr.write('Installing redis-server for the tests ...\n');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  execFileSync('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  // RUNLEVEL=1 keeps Debian from starting a server of its own on port 6379.
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function canRun(command: string): boolean {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).error === undefined;
}

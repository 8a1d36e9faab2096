import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ServiceProcess } from '@app/test-support/suite/service-process';

const SERVICES = ['gateway', 'venue', 'user-token', 'identity'];
const root = join(import.meta.dirname, '../../..');

/** Modules that load before a module runs, packages of others by name and ours by file. */
function loadedBefore(file: string, found = new Set<string>()): Set<string> {
  const source = readFileSync(file, 'utf8');
  const specifiers = source.matchAll(/^(?:import|export)\s(?:[^;]*?\sfrom\s*)?['"]([^'"]+)['"]/gm);
  for (const [, specifier] of specifiers) {
    const ours = specifier!.startsWith('.') || specifier!.startsWith('@app/');
    const target = ours ? pathOf(specifier!, file) : specifier!;
    if (found.has(target)) continue;
    found.add(target);
    if (ours) loadedBefore(target, found);
  }
  return found;
}

function pathOf(specifier: string, importer: string): string {
  if (specifier.startsWith('.')) return join(dirname(importer), specifier);
  const [, library, path] = /^@app\/([^/]+)(\/.+)?$/.exec(specifier)!;
  const { exports } = JSON.parse(readFileSync(join(root, 'libs', library!, 'package.json'), 'utf8'));
  return join(root, 'libs', library!, exports[`.${path ?? ''}`].default);
}

/** For a load before the service: reports its handler. */
const TELL_HANDLER = `const { on } = process;
process.on = function (event, listener) {
  on.call(process, event, listener);
  if (event === 'SIGTERM') process.stdout.write('has its handler');
  return process;
};`;
const TELLS_HANDLER = `data:text/javascript,${encodeURIComponent(TELL_HANDLER)}`;

/** For a load before the service: a signal at its first listen or connect, before it can accept anything. */
const SIGNAL_AT_FIRST_SOCKET = `import net from 'node:net';
let signalled = false;
for (const [prototype, method] of [[net.Server.prototype, 'listen'], [net.Socket.prototype, 'connect']]) {
  const original = prototype[method];
  prototype[method] = function (...call) {
    if (!signalled) {
      signalled = true;
      process.stdout.write('uses a socket');
      process.kill(process.pid, 'SIGTERM');
    }
    return original.apply(this, call);
  };
}`;
const SIGNALS_AT_FIRST_SOCKET = `data:text/javascript,${encodeURIComponent(SIGNAL_AT_FIRST_SOCKET)}`;

describe('a signal', () => {
  it.each([...SERVICES, 'local'])('has its handler before %s loads anything of size', (service) => {
    const loaded = [...loadedBefore(join(root, 'apps', service, 'dist/main.js'))];
    expect(loaded).toContain(join(root, 'libs/ops/dist/run-service.js'));
    expect(loaded.filter((file) => !file.startsWith(join(root, 'libs/ops/dist/')))).toEqual([]);
    expect(loaded.length).toBeLessThan(5);
  });

  it.each(SERVICES)('at the first listen or connect of %s finds its handler', async (name) => {
    const service = ServiceProcess.spawn(name, { NODE_OPTIONS: `--import=${SIGNALS_AT_FIRST_SOCKET}` });
    expect(await service.exit()).toEqual({ code: 0, signal: null });
    expect(service.stdout).toContain('uses a socket');
    expect(service.stderr).toBe('');
  });

  it.each([0, 30, 60, 120, 250, 400, 600, 900, 1_500])(
    '%s ms after a service has its handler ends it with 0',
    async (ms) => {
      const services = ['venue', 'user-token'].map((name) =>
        ServiceProcess.spawn(name, { NODE_OPTIONS: `--import=${TELLS_HANDLER}` }),
      );
      for (const service of services) await service.printed(/has its handler/);
      await delay(ms);
      for (const service of services) service.signal('SIGTERM');
      for (const service of services) {
        expect(await service.exit()).toEqual({ code: 0, signal: null });
        expect(service.stderr).toBe('');
      }
    },
  );

  let container: ChildProcess | undefined;
  afterEach(() => void container?.kill('SIGKILL'));

  const namespaces = spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0;
  (namespaces ? it : it.skip)('ends process 1 of a container while it starts', async () => {
    const { PATH = '' } = process.env;
    const started = spawn(
      'unshare',
      [
        ...['--pid', '--fork', '--kill-child', process.execPath],
        ...['--import', TELLS_HANDLER],
        'apps/user-token/dist/main.js',
      ],
      {
        cwd: root,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { PATH, ENVIRONMENT: 'local', PORT: '0', OPS_PORT: '0' },
      },
    );
    container = started;
    const exited = once(started, 'exit');
    expect(String(await once(started.stdout, 'data'))).toBe('has its handler');
    process.kill(
      Number(readFileSync(`/proc/${started.pid}/task/${started.pid}/children`, 'utf8')),
      'SIGTERM',
    );
    expect(await exited).toEqual([0, null]);
  });

  it('that npm passes on as well counts once', async () => {
    const venue = await ServiceProcess.start('venue', { DRAIN_DELAY_MS: '1000' });
    venue.signal('SIGINT');
    // Two at once would be one signal: the kernel keeps no second pending one of a kind.
    await delay(50);
    venue.signal('SIGINT');
    expect(await venue.exit()).toEqual({ code: 0, signal: null });
  });

  it('leaves a service the time of its DRAIN_DELAY_MS', async () => {
    const venue = await ServiceProcess.start('venue', { DRAIN_DELAY_MS: '11000' });
    venue.signal('SIGTERM');
    expect(await venue.exit()).toEqual({ code: 0, signal: null });
    expect(venue.stderr).toBe('');
  });

  it('during a stop ends the service at once', async () => {
    const venue = await ServiceProcess.start('venue', { DRAIN_DELAY_MS: '60000' });
    const again = setInterval(() => venue.signal('SIGTERM'), 500);
    expect(await venue.exit()).toEqual({ code: 1, signal: null });
    clearInterval(again);
  });
});

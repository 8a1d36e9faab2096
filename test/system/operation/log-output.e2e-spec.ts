import { spawn, spawnSync, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ServiceProcess } from '@app/test-support/suite/service-process';
import { until } from '@app/test-support/timing/until';

const root = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'log-output-'));

afterAll(() => rmSync(folder, { recursive: true }));

/** The bound of `LogOutput`. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
const EXIT_TIMEOUT_MS = 1_000;

/** A machine may be slow. */
const PATIENCE_MS = 60_000;

interface Line {
  readonly msg: string;
  readonly requestId?: string;
  readonly dropped?: number;
}

/** `test/support/suite/logging-service.mjs`, with a standard output that a spec reads at a time of its choice. */
class LoggingService {
  stderr = '';
  private readonly exited: Promise<[number | null, NodeJS.Signals | null]>;

  private constructor(
    readonly child: ChildProcess,
    readonly port: number,
  ) {
    child.stderr!.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.exited = once(child, 'exit') as LoggingService['exited'];
  }

  static async start(stdout: 'pipe' | number, environment = 'test'): Promise<LoggingService> {
    const stdio: StdioOptions = ['ignore', stdout, 'pipe', 'ipc'];
    const { PATH = '' } = process.env;
    const child = spawn(process.execPath, ['--expose-gc', 'test/support/suite/logging-service.mjs'], {
      cwd: root,
      env: { PATH, ENVIRONMENT: environment },
      stdio,
    });
    process.once('exit', () => child.kill('SIGKILL'));
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    return new LoggingService(child, port);
  }

  /** Does not wait for the result. */
  order(order: string, options: object = {}): void {
    this.child.send({ order, ...options });
  }

  async run<T = void>(order: string, options: object = {}): Promise<T> {
    const done = once(this.child, 'message') as Promise<[{ result: T }]>;
    this.order(order, options);
    const [{ result }] = await done;
    return result;
  }

  status(agent?: Agent): Promise<number> {
    return statusOf(this.port, agent);
  }

  async end(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const [code, signal] = await this.exited;
    return { code, signal };
  }

  async stop(): Promise<{ code: number | null; signal: NodeJS.Signals | null; tookMs: number }> {
    const atMs = performance.now();
    this.child.kill('SIGTERM');
    return { ...(await this.end()), tookMs: performance.now() - atMs };
  }
}

function statusOf(port: number, agent?: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/', agent }, (response) => {
      response
        .resume()
        .on('end', () => resolve(response.statusCode!))
        .on('error', reject);
    }).on('error', reject);
  });
}

interface Reading {
  text: string;
  /** The whole output, after the end of the service. */
  readonly end: Promise<string>;
}

/** The reading end of a pipe, which reads on demand. */
interface Reader {
  /** The standard output for the service. */
  readonly stdout: 'pipe' | number;
  /** Begins to read the output of the service. */
  read(service: LoggingService): Reading;
  /** Ends without a read. */
  close(service: LoggingService): void;
}

function socketReader(): Reader {
  return {
    stdout: 'pipe',
    read: ({ child }) => {
      const reading: Reading = { text: '', end: once(child.stdout!, 'end').then(() => reading.text) };
      child.stdout!.on('data', (chunk: Buffer) => (reading.text += chunk.toString()));
      return reading;
    },
    close: ({ child }) => void child.stdout!.destroy(),
  };
}

function pipeReader(): Reader {
  const path = join(folder, `${Math.random()}`);
  spawnSync('mkfifo', [path]);
  const fromService = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writing = openSync(path, constants.O_WRONLY);
  return {
    stdout: writing,
    read: () => {
      closeSync(writing);
      const reading = { text: '', end: Promise.resolve('') };
      const chunk = Buffer.alloc(65_536);
      const readOn = async (): Promise<string> => {
        for (;;) {
          try {
            const length = readSync(fromService, chunk);
            if (length === 0) break;
            reading.text += chunk.toString('latin1', 0, length);
          } catch (error) {
            if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
            await delay(1);
          }
        }
        closeSync(fromService);
        return reading.text;
      };
      reading.end = readOn();
      return reading;
    },
    close: () => {
      closeSync(writing);
      closeSync(fromService);
    },
  };
}

const READERS: readonly [string, () => Reader][] = [
  ['a socket', socketReader],
  ['a pipe', pipeReader],
];

function linesIn(text: string): Line[] {
  expect(text).toMatch(/\n$/);
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

describe.each(READERS)('a service whose standard output is %s', (_title, open) => {
  it.each([
    ['process.exit', 'exit', { code: 3, signal: null }],
    ['an error that nothing caught', 'throw', { code: 1, signal: null }],
    ['a promise whose rejection nothing handled', 'reject', { code: 1, signal: null }],
    ['having nothing left to do', 'leave', { code: 0, signal: null }],
  ])('loses no line at its end by %s', async (_end, order, exit) => {
    const reader = open();
    const service = await LoggingService.start(reader.stdout);
    const reading = reader.read(service);
    service.order(order, { lines: 1_000 });
    expect(await service.end()).toEqual(exit);
    const lines = linesIn(await reading.end);
    expect(lines).toHaveLength(1_000);
    expect(lines.at(-1)!.requestId).toBe('r999');
    expect(service.stderr).not.toContain('lost');
  });

  it('loses only lines of the access log to SIGKILL', async () => {
    const reader = open();
    const service = await LoggingService.start(reader.stdout);
    const reading = reader.read(service);
    service.order('die', { lines: 50 });
    expect(await service.end()).toEqual({ code: null, signal: 'SIGKILL' });
    expect(linesIn(await reading.end)).toHaveLength(50);
  });

  it('answers while its reader stands still, in bounded memory, and then reports the number of lost lines', async () => {
    const reader = open();
    const service = await LoggingService.start(reader.stdout);
    const before = await service.run<number>('held');
    await service.run('log', { lines: 6_000, length: 1_000, access: false });
    await service.run('log', { lines: 60_000, length: 900 });
    for (let i = 0; i < 20; i += 1) expect(await service.status()).toBe(404);
    const grown = (await service.run<number>('held')) - before;
    expect(grown).toBeGreaterThan(MAX_WAITING_BYTES / 2);
    expect(grown).toBeLessThan(2 * MAX_WAITING_BYTES);

    const reading = reader.read(service);
    await until(() => reading.text.includes('"dropped":'), PATIENCE_MS);
    await service.run('log', { lines: 100 });
    expect(await service.stop()).toMatchObject({ code: 0 });
    const lines = linesIn(await reading.end);
    const told = lines.filter(({ dropped }) => dropped !== undefined);
    const lost = told.reduce((sum, { dropped }) => sum + dropped!, 0);
    expect(told.length).toBeGreaterThanOrEqual(1);
    expect(lost + lines.length - told.length).toBe(66_000 + 20 + 100);
    expect(service.stderr).toBe('');
  });

  it('ends at SIGTERM while its reader stands still, and reports the loss on standard error', async () => {
    const reader = open();
    const service = await LoggingService.start(reader.stdout);
    await service.run('log', { lines: 10_000, length: 900 });
    const { code, tookMs } = await service.stop();
    expect(code).toBe(0);
    expect(tookMs).toBeGreaterThan(EXIT_TIMEOUT_MS / 2);
    expect(tookMs).toBeLessThan(EXIT_TIMEOUT_MS + 10_000);
    expect(service.stderr).toMatch(/^\d{4} log lines were lost: standard output did not take them\n$/);
    reader.close(service);
  });

  it('answers after its reader has gone, and ends at SIGTERM without waiting for it', async () => {
    const reader = open();
    const service = await LoggingService.start(reader.stdout);
    expect(await service.status()).toBe(404);
    reader.close(service);
    for (let i = 0; i < 20; i += 1) {
      await service.run('log', { lines: 200, length: 900, access: i % 2 === 0 });
      expect(await service.status()).toBe(404);
    }
    expect(await service.stop()).toMatchObject({ code: 0 });
    expect(service.stderr).toMatch(/^\d+ log lines were lost/);
  });
});

describe('a log file', () => {
  it('on a full disk costs lines, and no request', async () => {
    const full = openSync('/dev/full', 'w');
    const service = await LoggingService.start(full);
    await service.run('log', { lines: 10_000, length: 900 });
    expect(await service.status()).toBe(404);
    expect(await service.stop()).toMatchObject({ code: 0 });
    expect(service.stderr).toBe('10001 log lines were lost: standard output did not take them\n');
    closeSync(full);
  });

  it('gets each line once, after its earlier content', async () => {
    const path = join(folder, 'log');
    writeFileSync(path, '{"msg":"before"}\n');
    const file = openSync(path, 'a');
    const service = await LoggingService.start(file);
    await service.run('log', { lines: 500 });
    expect(await service.stop()).toMatchObject({ code: 0 });
    const lines = linesIn(readFileSync(path, 'utf8'));
    expect(lines.map(({ requestId }) => requestId)).toEqual([
      undefined,
      ...Array.from({ length: 500 }, (_, number) => `r${number}`),
    ]);
  });
});

describe('SIGTERM under load', () => {
  const JSON_LOG = {
    ENVIRONMENT: 'test',
    AUTH0_ISSUER_URL: 'http://localhost:1/',
    AUTH0_AUDIENCE: 'https://api.venue.example/',
    REDIS_URL: 'redis://127.0.0.1:1',
    USER_TOKEN_URL: 'tcp://127.0.0.1:1',
    TOKEN_CACHE_SECRET: 'of-this-spec-and-of-nothing-else-0123',
  };

  it.each<[string, Record<string, string>, RegExp]>([
    ['JSON', JSON_LOG, /"msg":"GET \/ 200"\}\n/g],
    ['readable', { ENVIRONMENT: 'local' }, / INFO: \[venue\] GET \/ 200 \{.*\}\n/g],
  ])('loses no line of the %s log: there is one for each answer', async (_title, environment, access) => {
    const venue = await ServiceProcess.start('venue', environment);
    const agent = new Agent({ keepAlive: true });
    let answers = 0;
    const ask = async (): Promise<void> => {
      while ((await statusOf(venue.port, agent)) === 200) answers += 1;
    };
    const clients = Array.from({ length: 20 }, () => ask().catch(() => undefined));
    await until(() => answers > 1_000, PATIENCE_MS);
    expect(await venue.stop()).toEqual({ code: 0, signal: null });
    await Promise.all(clients);
    agent.destroy();
    expect(venue.stdout.match(access)).toHaveLength(answers);
  });
});

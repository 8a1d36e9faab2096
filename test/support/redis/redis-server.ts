import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Lua: all keys and values, as JSON. */
const DUMP = `
  local read = {
    string = function(key) return { redis.call('GET', key) } end,
    list = function(key) return redis.call('LRANGE', key, 0, -1) end,
    set = function(key) return redis.call('SMEMBERS', key) end,
    zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
    hash = function(key) return redis.call('HGETALL', key) end,
  }
  local entries = {}
  for i, key in ipairs(redis.call('KEYS', '*')) do
    entries[i] = { key, table.concat(read[redis.call('TYPE', key).ok](key), ' ') }
  end
  return #entries == 0 and '[]' or cjson.encode(entries)
`;

/** A private redis-server that can be killed, frozen and brought back on the same port. */
export class RedisServer {
  private child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly dir: string,
    private readonly args: readonly string[],
  ) {}

  /** @param args further command-line settings, e.g. `['--appendonly', 'yes']` */
  static async start(args: readonly string[] = []): Promise<RedisServer> {
    const server = new RedisServer(await freePort(), await mkdtemp(join(tmpdir(), 'redis-')), args);
    await server.launch();
    return server;
  }

  get pid(): number {
    return this.child!.pid!;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Kills it, without a flush. */
  async kill(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (!child || child.exitCode !== null) return;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
  }

  /** Starts it again on its port, with its data on disk. @param args further settings, after those of the first start */
  async restart(args: readonly string[] = []): Promise<void> {
    await this.kill();
    await this.launch(args);
  }

  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }

  async cli(...args: string[]): Promise<string> {
    const { stdout } = await run('redis-cli', ['-p', String(this.port), '--raw', ...args], {
      maxBuffer: Infinity,
    });
    return stdout.trimEnd();
  }

  /** Each key with its value as text, for any type. */
  async dump(): Promise<Record<string, string>> {
    const entries: [key: string, value: string][] = JSON.parse(await this.cli('EVAL', DUMP, '0'));
    return Object.fromEntries(entries);
  }

  private async launch(args: readonly string[] = []): Promise<void> {
    const child = spawn(
      'redis-server',
      [
        '--port',
        String(this.port),
        '--bind',
        '127.0.0.1',
        '--dir',
        this.dir,
        '--save',
        '',
        ...this.args,
        ...args,
      ],
      { stdio: 'ignore' },
    );
    this.child = child;
    const end = () => child.kill('SIGKILL');
    process.once('exit', end);
    child.once('exit', () => process.removeListener('exit', end));
    for (let attempt = 0; attempt < 200; attempt += 1) {
      if (child.exitCode !== null) throw new Error(`redis-server ended with code ${child.exitCode}`);
      if (await this.answers()) return;
      await delay(25);
    }
    throw new Error('redis-server did not answer within 5 s');
  }

  private answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write('PING\r\n'));
      // With a password set, NOAUTH is an answer as well.
      socket.once('data', (reply) => {
        resolve(/^(\+PONG|-NOAUTH)/.test(reply.toString()));
        socket.destroy();
      });
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
    });
  }
}

/** A port without a listener at the moment. */
export async function freePort(host = '127.0.0.1'): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A server of bench/servers in a process of its own, on a port of its own. */
export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly port: number,
  ) {}

  static async start(name: string, environment: Readonly<Record<string, string>>): Promise<ServerProcess> {
    const child = fork(join(import.meta.dirname, 'servers', `${name}.js`), {
      env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...environment },
      execArgv: ['--max-semi-space-size=64', '--expose-gc'],
    });
    const port = await new Promise<number>((resolve, reject) => {
      child.once('message', (message: { port: number }) => resolve(message.port));
      child.once('exit', (code) => reject(new Error(`the server ${name} ended with code ${code}`)));
    });
    return new ServerProcess(child, port);
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Heap in use after a full garbage collection, in bytes. */
  async heapBytes(): Promise<number> {
    const answer = once(this.child, 'message') as Promise<[{ heapBytes: number }]>;
    this.child.send('heap');
    const [{ heapBytes }] = await answer;
    return heapBytes;
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }
}

const MS_PER_TICK = 10;

/** CPU time that a process has used, all threads, in milliseconds; undefined where there is no /proc. */
export async function cpuMs(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  // The name, in brackets, may hold spaces; after it utime and stime are the 12th and the 13th.
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields && MS_PER_TICK * (Number(fields[11]) + Number(fields[12]));
}

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
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

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
  }
}

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { open, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../test/support/redis/redis-server.js';

export type Service = 'user-token' | 'gateway' | 'venue';

/** As the Dockerfile starts them. */
const NODE_OPTIONS = ['--enable-source-maps', '--max-semi-space-size=16'];
const START_TIMEOUT_MS = 30_000;

/**
 * A built service as an operator runs it: with the options of its image, in an environment that is not `local`, its output in a
 * pipe that another process reads.
 */
export class DeployedProcess {
  private constructor(
    private readonly child: ChildProcess,
    private readonly reader: ChildProcess,
    readonly port: number,
  ) {}

  /** Starts it and waits until it says that it is ready. @param directory where its pipe may be made */
  static async start(
    service: Service,
    directory: string,
    environment: Readonly<Record<string, string>>,
  ): Promise<DeployedProcess> {
    const [port, opsPort] = [await freePort(), await freePort()];
    const pipe = join(directory, randomUUID());
    await promisify(execFile)('mkfifo', [pipe]);
    const reader = spawn('sh', ['-c', 'exec cat "$0" > /dev/null', pipe], { stdio: 'ignore' });
    const output = await open(pipe, 'w');
    const child = spawn(process.execPath, [...NODE_OPTIONS, `apps/${service}/dist/main.js`], {
      env: {
        PATH: process.env['PATH'],
        NODE_ENV: 'production',
        ENVIRONMENT: 'bench',
        HOST: '127.0.0.1',
        OPS_HOST: '127.0.0.1',
        PORT: String(port),
        OPS_PORT: String(opsPort),
        ...environment,
      },
      stdio: ['ignore', output.fd, 'inherit'],
    });
    await output.close();
    await rm(pipe);
    const started = new DeployedProcess(child, reader, port);
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!(await isReady(opsPort))) {
      if (child.exitCode !== null || performance.now() > deadline) {
        await started.stop();
        throw new Error(`${service} did not get ready`);
      }
      await delay(50);
    }
    return started;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** At once, and waits until it is gone. */
  async stop(): Promise<void> {
    const ending = [this.child, this.reader].filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    const ended = ending.map((child) => once(child, 'exit'));
    for (const child of ending) child.kill('SIGKILL');
    await Promise.all(ended);
  }
}

function isReady(opsPort: number): Promise<boolean> {
  return new Promise((resolve) => {
    get({ host: '127.0.0.1', port: opsPort, path: '/health/ready', agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    }).on('error', () => resolve(false));
  });
}

import { spawn, type ChildProcess } from 'node:child_process';

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const LISTENS = /listens on \S+:(\d+)/;

/** A built service in its own process, with the command of `npm run start:<name>`, in the project's folder. */
export class ServiceProcess {
  private output = '';
  private errors = '';
  private readonly exited: Promise<Exit>;

  private constructor(
    readonly name: string,
    readonly environment: Readonly<Record<string, string>>,
    private readonly child: ChildProcess,
  ) {
    child.stdout?.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    const end = () => child.kill('SIGKILL');
    process.once('exit', end);
    this.exited = new Promise((resolve) =>
      child.once('exit', (code, signal) => {
        process.removeListener('exit', end);
        resolve({ code, signal });
      }),
    );
  }

  /** Starts it without waiting for anything. */
  static spawn(name: string, environment: Readonly<Record<string, string>> = {}): ServiceProcess {
    const { PATH = '' } = process.env;
    const child = spawn(process.execPath, ['scripts/start.mjs', name], {
      // Ignores a developer's own file.
      env: { PATH, ENV_FILE: '/dev/null', PORT: '0', OPS_PORT: '0', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return new ServiceProcess(name, environment, child);
  }

  /** Starts it and waits until it listens. */
  static async start(
    name: string,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<ServiceProcess> {
    const service = ServiceProcess.spawn(name, environment);
    await service.printed(LISTENS);
    return service;
  }

  get port(): number {
    const [, port] = LISTENS.exec(this.output) ?? [];
    return Number(port);
  }

  get stdout(): string {
    return this.output;
  }

  get stderr(): string {
    return this.errors;
  }

  async printed(pattern: RegExp, timeoutMs = 60_000): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    while (!pattern.test(this.output)) {
      if (this.child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`${this.name} did not print ${pattern}:\n${this.output}${this.errors}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  exit(): Promise<Exit> {
    return this.exited;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.child.kill(signal);
    return this.exited;
  }
}

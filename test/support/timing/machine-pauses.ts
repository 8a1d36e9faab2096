import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

interface Pause {
  readonly fromMs: number;
  readonly toMs: number;
  /** What this process itself computed meanwhile; that was no pause. */
  readonly cpuMs: number;
}

const SERVER = `
  const server = require('node:http').createServer((request, response) => response.end());
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;
const ASK_EVERY_MS = 4;
/** What is shorter is an answer and no pause. */
const SHORTEST_MS = 10;

/**
 * When the machine itself stood still: a process that does nothing but answer is asked all the time, and when it takes longer, it
 * did not get to run, or this one did not. Bounds on waiting are bounds on what comes on top.
 */
export class MachinePauses {
  private readonly agent = new Agent({ keepAlive: true });
  private readonly pauses: Pause[] = [];
  private readonly watching: Promise<void>;
  private answeredAtMs = performance.now();
  private cpuAtAnswer = process.cpuUsage();
  private going = true;

  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {
    this.watching = this.watch();
  }

  /** Of the process that is asked. */
  get pid(): number {
    return this.child.pid!;
  }

  static async watch(): Promise<MachinePauses> {
    const child = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return new MachinePauses(child, Number(line.toString()));
  }

  /** How long something took, less the longest pause of the machine meanwhile. */
  tookMs(fromMs: number, toMs = performance.now()): number {
    const lengthsMs = [...this.pauses, this.sinceAnswer(toMs)].map(
      (pause) => Math.min(pause.toMs, toMs) - Math.max(pause.fromMs, fromMs) - pause.cpuMs,
    );
    const longestMs = Math.max(...lengthsMs);
    return toMs - fromMs - (longestMs < SHORTEST_MS ? 0 : longestMs);
  }

  async stop(): Promise<void> {
    this.going = false;
    await this.watching;
    this.agent.destroy();
    this.child.kill('SIGKILL');
    await once(this.child, 'exit');
  }

  private async watch(): Promise<void> {
    while (this.going) {
      await delay(ASK_EVERY_MS);
      await this.ask();
      const toMs = performance.now();
      if (toMs - this.answeredAtMs >= SHORTEST_MS) this.pauses.push(this.sinceAnswer(toMs));
      this.answeredAtMs = toMs;
      this.cpuAtAnswer = process.cpuUsage();
    }
  }

  private sinceAnswer(toMs: number): Pause {
    const { user, system } = process.cpuUsage(this.cpuAtAnswer);
    return { fromMs: this.answeredAtMs, toMs, cpuMs: (user + system) / 1000 };
  }

  private ask(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      get({ port: this.port, host: '127.0.0.1', agent: this.agent }, (response) =>
        response.resume().once('end', resolve),
      ).once('error', reject);
    });
  }
}

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

interface Pause {
  readonly fromMs: number;
  readonly toMs: number;
  /** Computing time of this process meanwhile, which was no pause. */
  readonly cpuMs: number;
}

const SERVER = `
  const server = require('node:http').createServer((request, response) => response.end());
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;
const ASK_EVERY_MS = 4;
/** A shorter time is an answer and no pause. */
const SHORTEST_MS = 10;

/**
 * Pauses of the machine itself. A process that only answers gets questions all the time. A late answer means that one of the two
 * processes did not run. A limit of waiting applies to the time without these pauses.
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

  /** Id of the answering process. */
  get pid(): number {
    return this.child.pid!;
  }

  static async watch(): Promise<MachinePauses> {
    const child = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return new MachinePauses(child, Number(line.toString()));
  }

  /** Time since `fromMs` without the longest pause of the machine. */
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

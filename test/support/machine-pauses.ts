import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

interface Pause {
  readonly fromMs: number;
  readonly toMs: number;
}

const SERVER = `
  const server = require('node:http').createServer((request, response) => response.end());
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;
const ASK_EVERY_MS = 4;
/** What is shorter is an answer and no pause. */
const SHORTEST_MS = 10;

/**
 * When the machine itself stood still: a process that does nothing but answer is asked all the time, and what it takes longer no
 * service under test has a part in. Bounds on waiting are bounds on what comes on top.
 */
export class MachinePauses {
  private readonly agent = new Agent({ keepAlive: true });
  private readonly pauses: Pause[] = [];
  private readonly watching: Promise<void>;
  private answeredAtMs = performance.now();
  private going = true;

  private constructor(
    private readonly child: ChildProcess,
    private readonly port: number,
  ) {
    this.watching = this.watch();
  }

  static async watch(): Promise<MachinePauses> {
    const child = spawn(process.execPath, ['-e', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    return new MachinePauses(child, Number(line.toString()));
  }

  /** How long something took, less the longest pause of the machine meanwhile. */
  tookMs(fromMs: number, toMs = performance.now()): number {
    const unanswered: Pause = { fromMs: this.answeredAtMs, toMs };
    const lengthsMs = [...this.pauses, unanswered].map(
      (pause) => Math.min(pause.toMs, toMs) - Math.max(pause.fromMs, fromMs),
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
      const fromMs = this.answeredAtMs;
      await delay(ASK_EVERY_MS);
      await this.ask();
      const toMs = (this.answeredAtMs = performance.now());
      if (toMs - fromMs >= SHORTEST_MS) this.pauses.push({ fromMs, toMs });
    }
  }

  private ask(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      get({ port: this.port, host: '127.0.0.1', agent: this.agent }, (response) =>
        response.resume().once('end', resolve),
      ).once('error', reject);
    });
  }
}

import { Agent, createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export interface Backend {
  readonly port: number;
  readonly opsPort: number;
}

const ASK_EVERY_MS = 50;

/**
 * A balancer in front of several processes of one service: requests go in turn to the ready ones. After a refused connection it
 * tries another process, because no request was sent; any other failure is a 502.
 */
export class Balancer {
  private readonly agent = new Agent({ keepAlive: true });
  private readonly ready = new Set<Backend>();
  private readonly watching: Promise<void>[];
  private going = true;
  private turn = 0;

  private constructor(
    private readonly server: Server,
    private readonly backends: readonly Backend[],
  ) {
    this.watching = backends.map((backend) => this.watch(backend));
    server.on('request', (incoming, outgoing) => {
      const { url = '/', headers } = incoming;
      this.forward({ path: url, headers }, outgoing, this.candidates());
    });
  }

  /** For requests without a body. */
  static async start(backends: readonly Backend[]): Promise<Balancer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Balancer(server, backends);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  isReady(backend: Backend): boolean {
    return this.ready.has(backend);
  }

  async stop(): Promise<void> {
    this.going = false;
    this.agent.destroy();
    this.server.closeAllConnections();
    await Promise.all([new Promise((resolve) => this.server.close(resolve)), ...this.watching]);
  }

  private candidates(): Backend[] {
    this.turn += 1;
    const ready = this.backends.filter((backend) => this.ready.has(backend));
    return ready.map((_, i) => ready[(this.turn + i) % ready.length]!);
  }

  private forward(
    wanted: { readonly path: string; readonly headers: NodeJS.Dict<string | string[]> },
    outgoing: ServerResponse,
    [backend, ...others]: readonly Backend[],
  ): void {
    if (!backend) {
      outgoing.writeHead(502).end();
      return;
    }
    const { agent } = this;
    const asked = request({ ...wanted, host: '127.0.0.1', port: backend.port, agent }, (answer) => {
      const { connection: _hop, ...headers } = answer.headers;
      outgoing.writeHead(answer.statusCode ?? 502, headers);
      answer.on('error', () => outgoing.destroy());
      answer.pipe(outgoing);
    });
    asked.on('error', (error: NodeJS.ErrnoException) => {
      if (outgoing.headersSent) outgoing.destroy();
      else this.forward(wanted, outgoing, error.code === 'ECONNREFUSED' ? others : []);
    });
    asked.end();
  }

  private async watch(backend: Backend): Promise<void> {
    while (this.going) {
      const well = await fetch(`http://127.0.0.1:${backend.opsPort}/health/ready`, {
        signal: AbortSignal.timeout(1_000),
      }).then(
        (response) => response.arrayBuffer().then(() => response.ok),
        () => false,
      );
      if (well) this.ready.add(backend);
      else this.ready.delete(backend);
      await delay(ASK_EVERY_MS);
    }
  }
}

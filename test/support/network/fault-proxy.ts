import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What becomes of the bytes; nothing set means that they pass. */
interface Fault {
  readonly latencyMs?: number;
  readonly frozen?: true;
  readonly refusing?: true;
  readonly answerBytes?: number;
  readonly garbled?: true;
}

/** A TCP proxy on a port of its own, in front of a port of this machine, that does to connections what networks do. */
export class FaultProxy {
  private readonly links = new Set<Link>();
  private fault: Fault = {};
  private resets: NodeJS.Timeout | undefined;

  private constructor(
    private readonly server: Server,
    private targetPort: number,
  ) {
    server.on('connection', (client) => this.accept(client));
  }

  static async start(targetPort: number): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new FaultProxy(server, targetPort);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.links.size;
  }

  /** No fault any more; what was held back goes out now, in order. */
  pass(): void {
    this.become({});
  }

  /** New connections lead to another port; those that are there stay, as when a name comes to mean another machine. */
  leadTo(targetPort: number): void {
    this.targetPort = targetPort;
  }

  /** Latency, each way. */
  delay(ms: number): void {
    this.become({ latencyMs: ms });
  }

  /** Connections stay open and new ones are accepted, but nothing is read or forwarded. */
  freeze(): void {
    this.become({ frozen: true });
  }

  /** All who are connected now get nothing any more, as when the network has forgotten them; new connections are well. */
  strand(): void {
    for (const link of this.links) link.become({ frozen: true });
  }

  /** RST to all who are connected now; new connections are well. */
  reset(): void {
    for (const link of [...this.links]) link.reset();
  }

  /** {@link reset} every so often, until the next fault. */
  resetting(everyMs: number): void {
    this.become({});
    this.resets = setInterval(() => this.reset(), everyMs);
  }

  /** Ends all connections, and new ones at once. */
  cut(): void {
    this.become({ refusing: true });
    this.reset();
  }

  /** Resets each connection after so many further bytes of answers, wherever in an answer that is. */
  cutAfter(answerBytes: number): void {
    this.become({ answerBytes });
  }

  /** Answers keep their length and lose their meaning. */
  garbage(): void {
    this.become({ garbled: true });
  }

  async stop(): Promise<void> {
    this.become({ refusing: true });
    this.reset();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private become(fault: Fault): void {
    clearInterval(this.resets);
    this.fault = fault;
    for (const link of this.links) link.become(fault);
  }

  private accept(client: Socket): void {
    if (this.fault.refusing) {
      client.on('error', () => undefined);
      client.resetAndDestroy();
      return;
    }
    const target = connect({ host: '127.0.0.1', port: this.targetPort, allowHalfOpen: true });
    const link = new Link(client, target, () => this.links.delete(link));
    this.links.add(link);
    link.become(this.fault);
  }
}

/** A connection of a client and the one made for it, which live and die together. */
class Link {
  private readonly requests: Direction;
  private readonly answers: Direction;

  constructor(
    private readonly client: Socket,
    private readonly target: Socket,
    private readonly onEnd: () => void,
  ) {
    this.requests = new Direction(client, target, () => this.endIfDone());
    this.answers = new Direction(
      target,
      client,
      () => this.endIfDone(),
      () => this.reset(),
    );
    for (const socket of [client, target]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.reset());
    }
  }

  become(fault: Fault): void {
    const { garbled, answerBytes, ...rest } = fault;
    this.requests.become(rest);
    this.answers.become({ ...rest, ...(garbled && { garbled }), ...(answerBytes && { answerBytes }) });
  }

  reset(): void {
    this.stop();
    // Node never closes a socket that is reset while its end is being sent, and then spins when the process exits.
    if (this.client.writableEnded) this.client.destroy();
    else this.client.resetAndDestroy();
    this.target.destroy();
  }

  private endIfDone(): void {
    if (!this.requests.ended || !this.answers.ended) return;
    this.stop();
  }

  private stop(): void {
    this.requests.stop();
    this.answers.stop();
    this.onEnd();
  }
}

/** One way of a {@link Link}. Keeps the order, whatever the latency was when a chunk came. */
class Direction {
  ended = false;
  private fault: Fault = {};
  /** Chunks with the time from which they may go; undefined is the end of the stream. */
  private readonly held: { readonly chunk: Buffer | undefined; dueAtMs: number }[] = [];
  private timer: NodeJS.Timeout | undefined;
  private bytesLeft = Number.POSITIVE_INFINITY;

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly onEnded: () => void,
    private readonly onUsedUp: () => void = () => undefined,
  ) {
    from.on('data', (chunk) => this.take(chunk));
    from.on('end', () => this.take(undefined));
    from.pause();
  }

  become(fault: Fault): void {
    this.fault = fault;
    this.bytesLeft = fault.answerBytes ?? Number.POSITIVE_INFINITY;
    const latestMs = performance.now() + (fault.latencyMs ?? 0);
    for (const entry of this.held) entry.dueAtMs = Math.min(entry.dueAtMs, latestMs);
    if (fault.frozen) this.from.pause();
    else this.from.resume();
    this.forward();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.held.length = 0;
  }

  private take(chunk: Buffer | undefined): void {
    this.held.push({ chunk, dueAtMs: performance.now() + (this.fault.latencyMs ?? 0) });
    this.forward();
  }

  private forward(): void {
    clearTimeout(this.timer);
    while (!this.fault.frozen) {
      const [next] = this.held;
      if (!next) return;
      const waitMs = next.dueAtMs - performance.now();
      if (waitMs > 0) {
        this.timer = setTimeout(() => this.forward(), Math.ceil(waitMs));
        return;
      }
      this.held.shift();
      this.send(next.chunk);
    }
  }

  private send(chunk: Buffer | undefined): void {
    if (chunk === undefined) {
      this.ended = true;
      this.to.end();
      this.onEnded();
      return;
    }
    const sent = chunk.subarray(0, this.bytesLeft);
    this.bytesLeft -= sent.length;
    const used = this.bytesLeft === 0;
    // The reset waits for what goes before it.
    this.to.write(this.fault.garbled ? randomBytes(sent.length) : sent, () => used && this.onUsedUp());
  }
}

import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** The treatment of the bytes; they pass if nothing is set. */
interface Fault {
  readonly latencyMs?: number;
  readonly frozen?: true;
  readonly refusing?: true;
  readonly answerBytes?: number;
  readonly garbled?: true;
}

/** A TCP proxy on its own port, in front of a port of this machine, with the faults of a network. */
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

  /** Ends all faults; waiting bytes go out now, in order. */
  pass(): void {
    this.become({});
  }

  /** New connections lead to another port and open ones stay, as after a change of a name's address. */
  leadTo(targetPort: number): void {
    this.targetPort = targetPort;
  }

  /** Latency, each way. */
  delay(ms: number): void {
    this.become({ latencyMs: ms });
  }

  /** Keeps connections open and accepts new ones, but reads and forwards nothing. */
  freeze(): void {
    this.become({ frozen: true });
  }

  /** Open connections get nothing any more, as after a loss of their state in the network; new ones work. */
  strand(): void {
    for (const link of this.links) link.become({ frozen: true });
  }

  /** Sends RST on all open connections; new ones work. */
  reset(): void {
    for (const link of [...this.links]) link.reset();
  }

  /** {@link reset} at an interval, until the next fault. */
  resetting(everyMs: number): void {
    this.become({});
    this.resets = setInterval(() => this.reset(), everyMs);
  }

  /** Ends all connections, and new ones at once. */
  cut(): void {
    this.become({ refusing: true });
    this.reset();
  }

  /** Resets each connection after this number of further bytes of answers, at any place of an answer. */
  cutAfter(answerBytes: number): void {
    this.become({ answerBytes });
  }

  /** Garbles answers, and keeps their length. */
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

/** A client's connection and the one to the target, which end together. */
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
    // Node never closes a socket after a reset during the sending of its end, and then spins when the process exits.
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

/** One way of a {@link Link}. Keeps the order, even if the latency changes. */
class Direction {
  ended = false;
  private fault: Fault = {};
  /** Chunks with their earliest time of sending; undefined is the end of the stream. */
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
    // The reset waits for earlier bytes.
    this.to.write(this.fault.garbled ? randomBytes(sent.length) : sent, () => used && this.onUsedUp());
  }
}

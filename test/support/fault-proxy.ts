import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

type Answers = (chunk: Buffer, client: Socket) => void;

const unchanged: Answers = (chunk, client) => void client.write(chunk);

/** Stands between a client and a server on this machine, and does to their connections what a bad network would. */
export class FaultProxy {
  private readonly pairs = new Set<{ readonly client: Socket; readonly upstream: Socket }>();
  /** What is done later, in this order; mending does it at once, for a connection never loses what is in the middle of it. */
  private readonly late = new Map<NodeJS.Timeout, () => void>();
  private resetting: NodeJS.Timeout | undefined;
  private answers = unchanged;
  private frozen = false;
  private refusing = false;

  private constructor(
    private readonly server: Server,
    private readonly targetPort: number,
  ) {
    server.on('connection', (client) => this.accept(client));
  }

  static async start(targetPort: number): Promise<FaultProxy> {
    const server = createServer();
    const proxy = new FaultProxy(server, targetPort);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** No fault from now on. */
  pass(): void {
    this.answers = unchanged;
    this.frozen = false;
    this.refusing = false;
    clearInterval(this.resetting);
    for (const [timer, deliver] of this.late) {
      clearTimeout(timer);
      deliver();
    }
    this.late.clear();
    for (const { client, upstream } of this.pairs) {
      client.resume();
      upstream.resume();
    }
  }

  /** Every answer comes so much later. */
  slow(ms: number): void {
    this.answers = (chunk, client) => {
      const deliver = () => {
        if (!client.destroyed) client.write(chunk);
      };
      const timer = setTimeout(() => {
        this.late.delete(timer);
        deliver();
      }, ms);
      this.late.set(timer, deliver);
    };
  }

  /** Takes connections and bytes, and passes nothing on until it is mended. */
  freeze(): void {
    this.frozen = true;
    for (const { client, upstream } of this.pairs) {
      client.pause();
      upstream.pause();
    }
  }

  /** Resets what is connected now, and again and again. */
  resetEvery(ms: number): void {
    this.reset();
    this.resetting = setInterval(() => this.reset(), ms);
  }

  /** Ends each connection in the middle of its answers. */
  cutAfter(bytes: number): void {
    const sent = new WeakMap<Socket, number>();
    this.answers = (chunk, client) => {
      const left = bytes - (sent.get(client) ?? 0);
      sent.set(client, bytes - left + chunk.length);
      client.write(chunk.subarray(0, Math.max(0, left)));
      if (chunk.length >= left) client.end();
    };
  }

  /** Answers with noise. */
  garble(): void {
    this.answers = (chunk, client) => void client.write(randomBytes(chunk.length));
  }

  /** Nobody gets through, and nobody who had stays. */
  refuse(): void {
    this.refusing = true;
    this.reset();
  }

  async stop(): Promise<void> {
    this.pass();
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.reset();
    await closed;
  }

  private reset(): void {
    for (const { client, upstream } of this.pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  }

  private accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.refusing) return void client.resetAndDestroy();
    const upstream = connect(this.targetPort, '127.0.0.1');
    const pair = { client, upstream };
    this.pairs.add(pair);
    upstream.on('error', () => client.destroy());
    client.on('data', (chunk) => void upstream.write(chunk));
    upstream.on('data', (chunk) => this.answers(chunk, client));
    client.on('close', () => {
      this.pairs.delete(pair);
      upstream.destroy();
    });
    upstream.on('close', () => client.end());
    if (this.frozen) {
      client.pause();
      upstream.pause();
    }
  }
}

import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { FaultProxy } from './fault-proxy.js';
import { until } from '../timing/until.js';

/** A client that keeps the received bytes. */
class Client {
  heard = Buffer.alloc(0);
  code: string | undefined;
  closed = false;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => (this.heard = Buffer.concat([this.heard, chunk])));
    socket.on('error', (error: NodeJS.ErrnoException) => (this.code = error.code));
    socket.on('close', () => (this.closed = true));
  }

  static async connect(port: number): Promise<Client> {
    const client = new Client(connect(port, '127.0.0.1'));
    await once(client.socket, 'connect');
    return client;
  }

  get text(): string {
    return this.heard.toString();
  }

  /** Time until the answer. */
  async ask(text: string): Promise<number> {
    const startedAtMs = performance.now();
    const expected = this.heard.length + text.length;
    this.socket.write(text);
    await until(() => this.heard.length >= expected, 1_000);
    return performance.now() - startedAtMs;
  }
}

describe('FaultProxy', () => {
  let echo: Server;
  let proxy: FaultProxy;
  let client: Client;
  const served = new Set<Socket>();

  beforeAll(async () => {
    echo = createServer({ allowHalfOpen: true }, (socket) => {
      served.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => served.delete(socket));
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  });

  beforeEach(async () => {
    proxy = await FaultProxy.start((echo.address() as AddressInfo).port);
    client = await Client.connect(proxy.port);
    await client.ask('warm');
    client.heard = Buffer.alloc(0);
  });

  afterEach(async () => {
    client.socket.destroy();
    await proxy.stop();
    expect(proxy.connections).toBe(0);
    await until(() => served.size === 0, 1_000);
  });

  afterAll(() => new Promise((resolve) => echo.close(resolve)));

  it('passes bytes both ways, and the end of the stream', async () => {
    await client.ask('hello');
    expect(client.text).toBe('hello');
    client.socket.end(' there');
    await until(() => client.closed);
    expect(client.text).toBe('hello there');
    expect(client.code).toBeUndefined();
    expect(proxy.connections).toBe(0);
  });

  it('delays each way and keeps the order', async () => {
    proxy.delay(60);
    const tookMs = client.ask('1');
    await delay(20);
    client.socket.write('2');
    expect(await tookMs).toBeGreaterThanOrEqual(119);
    proxy.delay(20);
    client.socket.write('3');
    await until(() => client.heard.length === 3);
    expect(client.text).toBe('123');
  });

  it('sends waiting bytes at once, in order, when the latency ends', async () => {
    proxy.delay(10_000);
    client.socket.write('1');
    await delay(30);
    client.socket.write('2');
    await delay(30);
    proxy.pass();
    await client.ask('3');
    expect(client.text).toBe('123');
  });

  it('freezes old and new connections, which stay open and continue later', async () => {
    proxy.freeze();
    const late = await Client.connect(proxy.port);
    client.socket.write('old');
    late.socket.write('new');
    await delay(100);
    expect([client.text, late.text, client.closed, late.closed]).toEqual(['', '', false, false]);
    proxy.pass();
    await until(() => client.text === 'old' && late.text === 'new');
    late.socket.destroy();
  });

  it('resets the open connections, and no later one', async () => {
    proxy.reset();
    await until(() => client.closed);
    expect(client.code).toBe('ECONNRESET');
    client = await Client.connect(proxy.port);
    await client.ask('hello');
    expect(client.text).toBe('hello');
  });

  it('resets again and again until the next fault', async () => {
    proxy.resetting(30);
    for (let i = 0; i < 3; i += 1) {
      await until(() => client.closed, 500);
      client = await Client.connect(proxy.port);
    }
    proxy.pass();
    await until(() => proxy.connections === 1);
    await delay(90);
    await client.ask('hello');
    expect(client.text).toBe('hello');
  });

  it('cuts old and new connections', async () => {
    proxy.cut();
    const late = await Client.connect(proxy.port).catch(() => undefined);
    await until(() => client.closed && late?.closed !== false);
    proxy.pass();
    client = await Client.connect(proxy.port);
    await client.ask('hello');
    expect(client.text).toBe('hello');
  });

  it('cuts in the middle of an answer', async () => {
    proxy.cutAfter(7);
    await client.ask('hello');
    client.socket.write('hello');
    await until(() => client.closed);
    expect(client.text).toBe('hellohe');
  });

  it('answers garbage of the same length', async () => {
    proxy.garbage();
    const text = 'hello'.repeat(20);
    await client.ask(text);
    expect(client.heard).toHaveLength(text.length);
    expect(client.text).not.toContain('hello');
  });

  it('breaks the connection of a client if the target is down', async () => {
    const orphaned = await FaultProxy.start(1);
    const refused = await Client.connect(orphaned.port);
    await until(() => refused.closed);
    await orphaned.stop();
  });
});

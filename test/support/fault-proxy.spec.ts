import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { FaultProxy } from './fault-proxy.js';

describe('FaultProxy', () => {
  let echo: Server;
  let proxy: FaultProxy;
  let client: Socket;
  let received: string;

  beforeEach(async () => {
    echo = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.pipe(socket);
    });
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    proxy = await FaultProxy.start((echo.address() as AddressInfo).port);
    client = await open();
  });

  afterEach(async () => {
    client.destroy();
    await proxy.stop();
    await new Promise((resolve) => echo.close(resolve));
  });

  async function open(): Promise<Socket> {
    const socket = connect(proxy.port, '127.0.0.1');
    received = '';
    socket.on('data', (chunk) => (received += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }

  // once() would reject with the error that comes before.
  const closed = (socket: Socket) => new Promise((resolve) => socket.once('close', resolve));

  const arrives = async (text: string) => {
    while (received !== text) await once(client, 'data');
  };

  it('passes bytes on, both ways', async () => {
    client.write('hello');
    await arrives('hello');
  });

  it('delays answers and keeps their order', async () => {
    proxy.slow(150);
    const startedAt = performance.now();
    client.write('one ');
    await delay(20);
    client.write('two');
    await arrives('one two');
    expect(performance.now() - startedAt).toBeGreaterThan(145);
  });

  it('delivers what was delayed as soon as it is mended, and before what comes then', async () => {
    proxy.slow(60_000);
    client.write('one ');
    await delay(50);
    proxy.pass();
    client.write('two');
    await arrives('one two');
  });

  it('freezes, and delivers what was sent meanwhile once it is mended', async () => {
    proxy.freeze();
    client.write('late');
    await delay(100);
    expect(received).toBe('');
    proxy.pass();
    await arrives('late');
  });

  it('resets what is connected, and lets new connections in', async () => {
    const gone = closed(client);
    proxy.resetEvery(60_000);
    await gone;
    client = await open();
    client.write('again');
    await arrives('again');
  });

  it('cuts a connection in the middle of an answer', async () => {
    proxy.cutAfter(3);
    const ended = once(client, 'end');
    client.write('hello');
    await ended;
    expect(received).toBe('hel');
  });

  it('answers with noise of the same length', async () => {
    proxy.garble();
    client.write('0123456789abcdef');
    while (received.length < 16) await once(client, 'data');
    expect(received).not.toBe('0123456789abcdef');
  });

  it('refuses everybody', async () => {
    const gone = closed(client);
    proxy.refuse();
    await gone;
    const refused = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
    await closed(refused);
  });
});

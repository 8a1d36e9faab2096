import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '@app/test-support/timing/until';
import { FrameSocket, type FrameOptions } from '@app/wire';

describe('messages on TCP', () => {
  const sockets: Socket[] = [];
  let server: Server;
  let accepted: Promise<Socket>;

  beforeEach(async () => {
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    accepted = once(server, 'connection').then(([socket]) => socket as Socket);
  });

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
    server.close();
  });

  async function pair(options: Partial<FrameOptions> = {}) {
    const peer = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
    const socket = (await accepted).on('error', () => undefined);
    sockets.push(peer, socket);
    const seen = { messages: [] as unknown[], reasons: [] as string[], reads: 0, closed: false };
    peer.once('close', () => (seen.closed = true)).setNoDelay();
    const frames = new FrameSocket(socket, {
      maxChars: 1_000_000,
      accepts: (message) => typeof message === 'object' && message !== null,
      onBytes: () => (seen.reads += 1),
      onMalformed: (reason) => seen.reasons.push(reason),
      ...options,
    }).on('message', (message: unknown) => seen.messages.push(message));
    return { peer, seen, frames };
  }
  const frame = (message: unknown) => {
    const json = JSON.stringify(message);
    return `${json.length}#${json}`;
  };

  it('arrive whole, wherever they are split and whatever characters they hold', async () => {
    const { peer, seen } = await pair();
    const messages = [
      { a: 1 },
      { text: 'zażółć 🗝 \ufffd' },
      {},
      { text: 'x'.repeat(70_000) },
      { b: ['#', '9#{}'] },
    ];
    for (const byte of Buffer.from(messages.slice(0, 3).map(frame).join(''))) {
      const { reads } = seen;
      peer.write(Buffer.of(byte));
      await until(() => seen.reads > reads);
    }
    peer.resume().write(messages.slice(3).map(frame).join(''));
    await until(() => seen.messages.length === messages.length);
    expect(seen).toMatchObject({ messages, reasons: [], closed: false });
  });

  it.each<[string, string | Buffer]>([
    ['no length', '#{}'],
    ['a length that is no number', 'abc#{}'],
    ['a negative length', '-5#{}'],
    ['a length with a sign', '+2#{}'],
    ['a length with a fraction', '2.0#{}'],
    ['a length with a space', ' 2#{}'],
    ['a length of zero', '0#'],
    ['a length with a zero in front', '02#{}'],
    ['a length in hexadecimal', '0x2#{}'],
    ['digits that do not end', '11111111'],
    ['a length above the limit', '1000001#{'],
    ['another protocol', 'GET / HTTP/1.1\r\n\r\n'],
    ['JSON that is none', '5#{{{{{'],
    ['JSON that is cut short', '3#{}}'],
    ['null', '4#null'],
    ['a number', '2#42'],
    ['bytes that are not UTF-8', Buffer.from([0x33, 0x23, 0x22, 0xff, 0x22])],
    ['a byte order mark', Buffer.from('\ufeff2#{}')],
  ])('end the connection at %s, and nothing after it counts', async (_title, bytes) => {
    const { peer, seen } = await pair();
    peer.resume().write(frame({ before: 1 }));
    await until(() => seen.messages.length === 1);
    peer.write(Buffer.concat([Buffer.from(bytes), Buffer.from(frame({ after: 1 }))]));
    await until(() => seen.closed);
    expect(seen.messages).toEqual([{ before: 1 }]);
    expect(seen.reasons).toHaveLength(1);
  });

  it('must be complete in time, even when bytes arrive steadily', async () => {
    const { peer, seen } = await pair({ frameTimeoutMs: 200 });
    peer.resume().write('10000#"');
    const trickle = setInterval(() => peer.write('a'), 20);
    await until(() => seen.closed).finally(() => clearInterval(trickle));
    expect(seen.reasons).toEqual(['it was not complete in time']);
  });

  it('each have their own time: a peer that is never idle stays connected', async () => {
    const { peer, seen } = await pair({ frameTimeoutMs: 1_000 });
    const [message, untilMs] = [frame({ text: 'a' }), performance.now() + 2_500];
    // One message is always unfinished.
    peer.write(message.slice(0, 3));
    while (performance.now() < untilMs) {
      peer.write(message.slice(3) + message.slice(0, 3));
      await delay(20);
    }
    expect(seen).toMatchObject({ reasons: [], closed: false });
  });

  it.each([
    ['short', 300],
    ['long', 1_000],
  ])('are not late if this process stood still for a %s time while they came', async (_title, pauseMs) => {
    const { peer, seen } = await pair({ frameTimeoutMs: 200 });
    const message = frame({ text: 'a' });
    peer.write(message.slice(0, 5));
    await until(() => seen.reads === 1);
    peer.write(message.slice(5));
    const pausedUntilMs = performance.now() + pauseMs;
    while (performance.now() < pausedUntilMs);
    await until(() => seen.messages.length === 1);
    expect(seen.reasons).toEqual([]);
  });

  it('are not read from a peer that does not read, and its connection ends when too much output waits', async () => {
    const { peer, seen, frames } = await pair({ maxUnreadBytes: 1_000_000 });
    peer.pause();
    const big = { text: 'a'.repeat(100_000) };
    frames.on('message', () => frames.sendMessage(big));
    const asking = setInterval(() => peer.write(frame({})), 1);
    await until(() => seen.messages.length > 0);
    const sending = setInterval(() => frames.sendMessage(big), 1);
    peer.once('error', () => undefined);
    await until(() => frames.netSocket.destroyed).finally(() => {
      clearInterval(asking);
      clearInterval(sending);
    });
  });
});

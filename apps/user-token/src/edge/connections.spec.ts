import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { until } from '@app/test-support/timing/until';
import { Connections, type Connection, type ConnectionLimits } from './connections.js';

const LIMITS: ConnectionLimits = { introduced: 4, introducedPerAddress: 3, pending: 3, pendingMs: 60_000 };

/** Over real sockets; all of 127.0.0.0/8 is this machine. */
describe('connections', () => {
  const peers: Socket[] = [];
  let server: Server;
  let connections: Connections;
  let closed: string[];
  let told: string[];

  async function limitedBy(limits: Partial<ConnectionLimits> = {}) {
    connections = new Connections({ ...LIMITS, ...limits }, (kind, network) =>
      told.push(`${kind} ${network}`),
    );
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
  }

  beforeEach(() => {
    closed = [];
    told = [];
  });

  afterEach(() => {
    for (const peer of peers.splice(0)) peer.destroy();
    server.close();
  });

  async function arrive(name: string, localAddress = '127.0.0.1'): Promise<Connection> {
    const arriving = once(server, 'connection') as Promise<[Socket]>;
    const { port } = server.address() as AddressInfo;
    const peer = connect({ port, host: '127.0.0.1', localAddress }).on('error', () => undefined);
    const list = closed;
    peer.resume().once('close', () => list.push(name));
    peers.push(peer);
    const [socket] = await arriving;
    connections.arrived(socket);
    return connections.of(socket)!;
  }
  async function introduce(name: string, localAddress?: string): Promise<Connection> {
    const connection = await arrive(name, localAddress);
    connections.heard(connection);
    return connection;
  }
  const areClosed = async (...names: string[]) => {
    await until(() => closed.length >= names.length);
    expect([...closed].sort()).toEqual(names.sort());
  };

  it('that have not introduced themselves lose their places to newer ones, the oldest first', async () => {
    await limitedBy();
    for (const name of ['a', 'b', 'c', 'd', 'e']) await arrive(name);
    await areClosed('a', 'b');
    expect(told).toEqual(['pending 127.0.0.1', 'pending 127.0.0.1']);
  });

  it('that have not introduced themselves are driven out by a flood of another address last', async () => {
    await limitedBy();
    await arrive('service', '127.0.0.2');
    for (let i = 0; i < 10; i += 1) await arrive(`flood-${i}`, '127.0.0.3');
    await until(() => closed.length === 8);
    expect(closed).not.toContain('service');
  });

  it('that have introduced themselves have places of their own', async () => {
    await limitedBy();
    for (const name of ['a', 'b', 'c']) await introduce(name);
    for (let i = 0; i < 6; i += 1) await arrive(`flood-${i}`);
    await areClosed('flood-0', 'flood-1', 'flood-2');
  });

  it('of one address give way to a new one of it: the one that was silent for the longest', async () => {
    await limitedBy();
    const [first] = [await introduce('a'), await introduce('b'), await introduce('c')];
    connections.heard(first);
    await introduce('d');
    await areClosed('b');
  });

  it('give way to a new one of another address: one of the address that has the most', async () => {
    await limitedBy();
    await introduce('service', '127.0.0.2');
    for (const name of ['a', 'b', 'c']) await introduce(name, '127.0.0.3');
    await introduce('other', '127.0.0.4');
    await areClosed('a');
  });

  it('with a call under way do not give way', async () => {
    await limitedBy();
    const busy = [await introduce('a'), await introduce('b'), await introduce('c')];
    for (const connection of busy) connection.calls.add('1');
    await introduce('d');
    await areClosed('d');
    busy[1]!.calls.delete('1');
    await introduce('e');
    await areClosed('b', 'd');
  });

  it('leave their places when they end', async () => {
    await limitedBy();
    for (let round = 0; round < 5; round += 1) {
      for (let i = 0; i < 3; i += 1) await introduce(`${round}-${i}`);
      for (const peer of peers.splice(0)) peer.destroy();
      await until(() => closed.length === 3 * (round + 1));
      // The other end hears of it a little later.
      await until(
        () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count === 0))),
      );
    }
    expect(told).toEqual([]);
  });

  it('that have not introduced themselves in time are closed, and others are not', async () => {
    await limitedBy({ pendingMs: 100 });
    await introduce('service');
    await arrive('stranger');
    await areClosed('stranger');
  });

  it('are not late if this process stood still while they introduced themselves', async () => {
    await limitedBy({ pendingMs: 100 });
    const arriving = once(server, 'connection') as Promise<[Socket]>;
    const peer = connect((server.address() as AddressInfo).port, '127.0.0.1');
    peer.resume().once('close', () => closed.push('service'));
    peers.push(peer);
    const [socket] = await arriving;
    connections.arrived(socket);
    let heard = false;
    socket.once('data', () => (heard = connections.heard(connections.of(socket)!)));
    if (peer.connecting) await once(peer, 'connect');
    peer.write('1');
    const pausedUntilMs = performance.now() + 200;
    while (performance.now() < pausedUntilMs);
    await until(() => heard || closed.length > 0);
    expect(closed).toEqual([]);
  });
});

import type { Socket } from 'node:net';
import { networkOf } from '../core/network.js';

export interface ConnectionLimits {
  /** Connections that have introduced themselves. */
  readonly introduced: number;
  /** The same of one address (IPv6: one /64). */
  readonly introducedPerAddress: number;
  /** Connections that have not introduced themselves yet. */
  readonly pending: number;
  /** How long they have to do so. */
  readonly pendingMs: number;
}

export interface Connection {
  /** Where it comes from: its address, or the /64 of it. */
  readonly network: string;
  /** Ids of the calls under way. */
  readonly calls: Set<string>;
  close(): void;
}

/**
 * Who may be connected. A connection introduces itself by its certificate where there is TLS, else by its first call, and has its
 * place among others of its kind only: strangers who say nothing take up no place of a service.
 *
 * Where places are used up the newcomer gets that of another one: of the network that holds the most, the one that has been silent
 * for the longest and has no call under way. So a flood drives out itself, and a service that is new at the same address comes in.
 */
export class Connections {
  private readonly pending = new Places();
  private readonly introduced = new Places();
  /** By address and port of the other side, which a connection keeps when it turns to TLS. */
  private readonly open = new Map<string, Connection>();

  constructor(
    private readonly limits: ConnectionLimits,
    /** Called when a connection was closed because there were too many, of which network. */
    private readonly onTooMany: (kind: 'pending' | 'introduced', network: string) => void = () => undefined,
  ) {}

  /** A connection as the network hands it over. */
  arrived(socket: Socket): void {
    const key = keyOf(socket);
    if (key === undefined) return void socket.destroy();
    const connection = {
      network: networkOf(socket.remoteAddress!),
      calls: new Set<string>(),
      close: () => void socket.destroy(),
    };
    if (this.pending.size >= this.limits.pending) this.closeOne('pending', this.pending.busiest());
    this.pending.add(connection);
    this.open.set(key, connection);
    const deadline = setTimeout(() => {
      // If this process stood still, the introduction may be there, and is read after the timers.
      setImmediate(() => {
        if (this.pending.has(connection)) connection.close();
      });
    }, this.limits.pendingMs).unref();
    socket.once('close', () => {
      clearTimeout(deadline);
      this.pending.delete(connection);
      this.introduced.delete(connection);
      if (this.open.get(key) === connection) this.open.delete(key);
    });
  }

  /** The connection that a socket belongs to, as long as it is open. */
  of(socket: Socket): Connection | undefined {
    const key = keyOf(socket);
    return key === undefined ? undefined : this.open.get(key);
  }

  /**
   * It showed its certificate, or said something of the contract.
   *
   * @returns whether there is a place for it; where there is none it is closed
   */
  heard(connection: Connection): boolean {
    const known = this.introduced.delete(connection);
    if (!known && !this.pending.delete(connection)) return false;
    if (known || this.makeRoom(connection.network)) {
      this.introduced.add(connection);
      return true;
    }
    connection.close();
    this.onTooMany('introduced', connection.network);
    return false;
  }

  closeAll(): void {
    for (const connection of this.open.values()) connection.close();
  }

  private makeRoom(network: string): boolean {
    const { introduced, limits } = this;
    if (introduced.heldBy(network) >= limits.introducedPerAddress)
      return this.closeOne('introduced', network);
    return introduced.size < limits.introduced || this.closeOne('introduced', introduced.busiest());
  }

  private closeOne(kind: 'pending' | 'introduced', network: string): boolean {
    const closed = this[kind].closeOne(network);
    if (closed) this.onTooMany(kind, network);
    return closed;
  }
}

class Places {
  /** In the order in which they were last heard of. */
  private readonly held = new Set<Connection>();
  private readonly perNetwork = new Map<string, number>();

  get size(): number {
    return this.held.size;
  }

  has(connection: Connection): boolean {
    return this.held.has(connection);
  }

  heldBy(network: string): number {
    return this.perNetwork.get(network) ?? 0;
  }

  add(connection: Connection): void {
    this.held.add(connection);
    this.perNetwork.set(connection.network, this.heldBy(connection.network) + 1);
  }

  delete(connection: Connection): boolean {
    if (!this.held.delete(connection)) return false;
    const left = this.heldBy(connection.network) - 1;
    if (left > 0) this.perNetwork.set(connection.network, left);
    else this.perNetwork.delete(connection.network);
    return true;
  }

  busiest(): string {
    let [busiest, most] = ['', 0];
    for (const [network, count] of this.perNetwork) if (count > most) [busiest, most] = [network, count];
    return busiest;
  }

  /** @returns whether there was one without a call under way */
  closeOne(network: string): boolean {
    for (const connection of this.held) {
      if (connection.network !== network || connection.calls.size > 0) continue;
      this.delete(connection);
      connection.close();
      return true;
    }
    return false;
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string | undefined {
  return remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort}`;
}

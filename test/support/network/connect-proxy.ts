import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

/** A company's proxy, which opens tunnels (RFC 9110 section 9.3.6) and alone knows some names. */
export class ConnectProxy {
  /** `host:port` of the requested tunnels. */
  readonly asked: string[] = [];
  readonly credentials: (string | undefined)[] = [];
  /** Its answer instead of a tunnel. */
  refusal: string | undefined;

  private constructor(
    readonly port: number,
    /** Ports on this machine by the names of hosts. */
    readonly hosts: Map<string, number>,
    readonly stop: () => Promise<void>,
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  static async start(): Promise<ConnectProxy> {
    const sockets = new Set<Socket>();
    const hosts = new Map<string, number>();
    const server = createServer((_request, response) => response.writeHead(405).end());
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    });
    server.on('connect', ({ url = '', headers }, socket: Socket) => {
      proxy.asked.push(url);
      proxy.credentials.push(headers['proxy-authorization']);
      const port = hosts.get(url.replace(/:\d+$/, ''));
      if (proxy.refusal !== undefined || port === undefined)
        return void socket.end(`HTTP/1.1 ${proxy.refusal ?? '502 Bad Gateway'}\r\n\r\n`);
      const upstream = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        socket.pipe(upstream).pipe(socket);
      });
      sockets.add(upstream);
      upstream.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy: ConnectProxy = new ConnectProxy((server.address() as AddressInfo).port, hosts, async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    });
    return proxy;
  }
}

/** One user-token replica. */
export interface ReplicaAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/**
 * Reads `USER_TOKEN_URL`: `tcp://host:port` or `tls+tcp://host:port` (mutual TLS), comma-separated for several replicas.
 *
 * @throws {TypeError} naming the wrong entry
 */
export function parseReplicaAddresses(urls: string): ReplicaAddress[] {
  return urls.split(',').map((entry) => {
    const match = /^(tcp|tls\+tcp):\/\/(\[[0-9a-f:.]+\]|[a-z0-9_.-]+):(\d{1,5})\/?$/i.exec(entry.trim());
    const [, scheme, host, port] = match ?? [];
    if (!scheme || !host || !port || Number(port) > 65_535 || Number(port) === 0) {
      throw new TypeError(`"${entry.trim()}" is not tcp://host:port or tls+tcp://host:port`);
    }
    return {
      host: host.replace(/^\[|\]$/g, ''),
      port: Number(port),
      tls: scheme.toLowerCase() === 'tls+tcp',
    };
  });
}

/** Whether bytes to this address stay on the machine; only then may tokens travel unencrypted (RFC 9700 section 4.9.3). */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

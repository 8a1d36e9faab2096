import { isIP } from 'node:net';
import { MAX_USER_AGENT_LENGTH } from '@app/user-token-client';

interface AddressedRequest {
  readonly ip: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Where a request comes from: the address is the socket's, or what our own proxies saw. */
export function clientOf({ ip, headers }: AddressedRequest): {
  readonly clientAddress: string | undefined;
  readonly userAgent: string | undefined;
} {
  const userAgent = headers['user-agent'];
  return {
    clientAddress: plainAddress(ip),
    userAgent: typeof userAgent === 'string' ? userAgent.slice(0, MAX_USER_AGENT_LENGTH) : undefined,
  };
}

/** Auth0 takes plain addresses: not `::ffff:1.2.3.4`, no zone, no port. One that is none is left out, and does not stop a log-in. */
function plainAddress(address: string): string | undefined {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
  return isIP(plain) === 0 ? undefined : plain;
}

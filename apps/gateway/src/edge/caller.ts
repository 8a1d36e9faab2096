import { plainAddress } from '@app/ops';
import { MAX_USER_AGENT_LENGTH } from '@app/contract';

interface AddressedRequest {
  /** Undefined once the connection is gone. */
  readonly ip: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Origin of a request: the address is the socket's, or the one seen by our own proxies, in Auth0's form. */
export function callerOf({ ip, headers }: AddressedRequest): {
  readonly clientAddress: string | undefined;
  readonly userAgent: string | undefined;
} {
  const userAgent = headers['user-agent'];
  return {
    clientAddress: ip === undefined ? undefined : plainAddress(ip),
    userAgent: typeof userAgent === 'string' ? userAgent.slice(0, MAX_USER_AGENT_LENGTH) : undefined,
  };
}

import { plainAddress } from '@app/ops';
import { MAX_USER_AGENT_LENGTH } from '@app/user-token-client';

interface AddressedRequest {
  /** Undefined once the connection is gone. */
  readonly ip: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Where a request comes from: the address is the socket's, or what our own proxies saw, as Auth0 takes it. */
export function clientOf({ ip, headers }: AddressedRequest): {
  readonly clientAddress: string | undefined;
  readonly userAgent: string | undefined;
} {
  const userAgent = headers['user-agent'];
  return {
    clientAddress: ip === undefined ? undefined : plainAddress(ip),
    userAgent: typeof userAgent === 'string' ? userAgent.slice(0, MAX_USER_AGENT_LENGTH) : undefined,
  };
}

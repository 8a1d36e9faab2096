// X-Forwarded-For, which no standard describes: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
import type { IncomingMessage } from 'node:http';
import { isIP, SocketAddress } from 'node:net';
import type { Logger } from 'pino';

/** Leaves in a request's `X-Forwarded-For` the client's address and nothing else. */
export type ForwardedForReader = (request: IncomingMessage) => void;

/** Longest part of a header that is shown in the log. */
const SHOWN_LENGTH = 100;

/**
 * Each proxy adds what it saw at the end, so that the entry of the outermost of ours is as many from the end as there are. What
 * it wrote there may be no address; its caller then counts under the proxy's own, as the next one inwards saw it, or the
 * socket's.
 *
 * @param trustedProxyHops proxies of our own in front; with 0 the header is left as it is, for nobody believes it
 */
export function forwardedForReader(trustedProxyHops: number, logger: Logger): ForwardedForReader {
  if (trustedProxyHops === 0) return () => undefined;
  let told = false;
  return ({ headers }) => {
    const forwardedFor = headers['x-forwarded-for'];
    if (forwardedFor === undefined) return;
    const entries = String(forwardedFor).split(',').slice(-trustedProxyHops);
    const addresses = entries.map((entry) => plainAddress(entry.trim()));
    if (addresses[0] === undefined && !told) {
      told = true;
      logger.warn(
        { forwardedFor: entries.join(',').slice(-SHOWN_LENGTH) },
        'X-Forwarded-For holds no address where the outermost trusted proxy writes one: its clients count under the address of the proxy',
      );
    }
    const address = addresses.find((one) => one !== undefined);
    if (address === undefined) delete headers['x-forwarded-for'];
    else headers['x-forwarded-for'] = address;
  };
}

/**
 * The address in what proxies and sockets write: without port, brackets, quotes and zone, IPv6 in its shortest spelling (RFC
 * 5952), IPv4 not as IPv6.
 *
 * @returns undefined for what is no address
 */
export function plainAddress(text: string): string | undefined {
  const [, unquoted = text] = /^"(.*)"$/.exec(text) ?? [];
  const [, bracketed] = /^\[(.*)\](?::\d*)?$/.exec(unquoted) ?? [];
  const [, beforePort] = /^([\d.]+):\d*$/.exec(unquoted) ?? [];
  // SocketAddress throws for some that `isIP` takes with a zone.
  const address = (bracketed ?? beforePort ?? unquoted).replace(/%.*$/, '');
  switch (isIP(address)) {
    case 4:
      return address;
    case 6:
      return new SocketAddress({ address, family: 'ipv6' }).address.replace(/^::ffff:(?=\d+\.)/, '');
    default:
      return undefined;
  }
}

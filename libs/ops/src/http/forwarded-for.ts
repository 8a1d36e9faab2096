// X-Forwarded-For, which has no standard: https://developer.mozilla.org/docs/Web/HTTP/Reference/Headers/X-Forwarded-For
import type { IncomingMessage } from 'node:http';
import { isIP, SocketAddress } from 'node:net';
import type { Logger } from 'pino';

/** Leaves only the client's address in a request's `X-Forwarded-For`. */
export type ForwardedForReader = (request: IncomingMessage) => void;

/** Longest part of a header that is shown in the log. */
const SHOWN_LENGTH = 100;

/**
 * Each proxy adds its caller's address at the end. So the entry of our outermost proxy is at the position of our number of proxies,
 * counted from the end. If it is no address, the caller counts under the address of the proxy, as the next inner proxy or the socket
 * saw it.
 *
 * @param trustedProxyHops number of our own proxies in front; with 0 the header stays unchanged, because nothing reads it
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
 * The address in an entry of a proxy or socket: without port, brackets, quotes and zone, IPv6 in its shortest spelling (RFC
 * 5952), IPv4 not as IPv6.
 *
 * @returns undefined for a text that is no address
 */
export function plainAddress(text: string): string | undefined {
  const [, unquoted = text] = /^"(.*)"$/.exec(text) ?? [];
  const [, bracketed] = /^\[(.*)\](?::\d*)?$/.exec(unquoted) ?? [];
  const [, beforePort] = /^([\d.]+):\d*$/.exec(unquoted) ?? [];
  // SocketAddress throws for some addresses with a zone that `isIP` accepts.
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

/** Address of a Redis, from its URL. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

/** For `rediss://`: PEM of the authority that signs Redis, and of our certificate, which Redis may ask for. */
export interface RedisTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

const DEFAULT_PORT = 6379;
const FORM = 'must be redis://[user:password@]host[:port][/database], rediss://... (TLS) or memory:';

/** @throws {TypeError} with the fault, without the URL, because it may hold a password */
export function parseRedisUrl(url: string): RedisAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (
    !parsed ||
    !['redis:', 'rediss:'].includes(parsed.protocol) ||
    parsed.hostname === '' ||
    parsed.port === '0'
  ) {
    throw new TypeError(
      `${FORM}; an IPv6 address stands in [], and / : @ ? # in a password as %2F and so on`,
    );
  }
  if (parsed.search !== '' || parsed.hash !== '') {
    throw new TypeError('must end with the database: ? and # in a password are written %3F and %23');
  }
  const database = /^\/?(\d{1,5})?$/.exec(parsed.pathname);
  if (!database) throw new TypeError('must name the database by its number, as in redis://host:6379/0');
  return {
    // Node's sockets expect an IPv6 address without brackets.
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: parsed.port === '' ? DEFAULT_PORT : Number(parsed.port),
    tls: parsed.protocol === 'rediss:',
    username: decoded(parsed.username),
    password: decoded(parsed.password),
    database: Number(database[1] ?? 0),
  };
}

/** The fault of a URL for {@link openStore}, as a phrase after the name of its setting; undefined where there is none. */
export function storeUrlProblem(url: string): string | undefined {
  try {
    if (url !== 'memory:') parseRedisUrl(url);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'cannot be read';
  }
}

/** Whether one of these would be silently ignored for a URL without TLS. */
export function isTlsInVain(url: string, { ca, cert, key }: RedisTls): boolean {
  return !/^rediss:/i.test(url) && [ca, cert, key].some((pem) => pem !== undefined);
}

function decoded(part: string): string | undefined {
  try {
    return part === '' ? undefined : decodeURIComponent(part);
  } catch {
    throw new TypeError('has a % in its user or password that encodes nothing: write it as %25');
  }
}

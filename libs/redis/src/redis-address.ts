import { createPrivateKey, X509Certificate } from 'node:crypto';

/** Where a Redis is, as its URL says. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

/** For `rediss://`: PEM of the authority that signs Redis, and of the certificate that Redis may ask for. */
export interface RedisTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

const DEFAULT_PORT = 6379;
const FORM = 'must be redis://[user:password@]host[:port][/database], rediss://... (TLS) or memory:';

/** @throws {TypeError} saying what is wrong with it, without repeating it, for it may hold a password */
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
    // node's sockets take an IPv6 address without its brackets.
    host: parsed.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: parsed.port === '' ? DEFAULT_PORT : Number(parsed.port),
    tls: parsed.protocol === 'rediss:',
    username: decoded(parsed.username),
    password: decoded(parsed.password),
    database: Number(database[1] ?? 0),
  };
}

/** What is wrong with a URL for {@link openStore}, to be said after the name of its setting; undefined where nothing is. */
export function storeUrlProblem(url: string): string | undefined {
  return url === 'memory:' ? undefined : problemOf(() => parseRedisUrl(url));
}

/** What is wrong with these, naming the setting; undefined where nothing is. */
export function redisTlsProblem(url: string, { ca, cert, key }: RedisTls): string | undefined {
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  if (!/^rediss:/i.test(url))
    return 'REDIS_TLS_CA, _CERT and _KEY are for a REDIS_URL of rediss://, which it is not.';
  if ((cert === undefined) !== (key === undefined))
    return 'REDIS_TLS_CERT and REDIS_TLS_KEY must be set together.';
  for (const [name, pem] of Object.entries({ REDIS_TLS_CA: ca, REDIS_TLS_CERT: cert })) {
    if (pem !== undefined && problemOf(() => new X509Certificate(pem)) !== undefined)
      return `${name} is no certificate in PEM (-----BEGIN CERTIFICATE-----); REDIS_TLS_… takes the text, ${name}_FILE a path.`;
  }
  if (cert === undefined || key === undefined) return undefined;
  if (problemOf(() => createPrivateKey(key)) !== undefined)
    return 'REDIS_TLS_KEY is no private key in PEM without a password (-----BEGIN PRIVATE KEY-----).';
  if (!new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    return 'REDIS_TLS_KEY is not the key of REDIS_TLS_CERT.';
  return undefined;
}

function decoded(part: string): string | undefined {
  try {
    return part === '' ? undefined : decodeURIComponent(part);
  } catch {
    throw new TypeError('has a % in its user or password that encodes nothing: write it as %25');
  }
}

function problemOf(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'cannot be read';
  }
}

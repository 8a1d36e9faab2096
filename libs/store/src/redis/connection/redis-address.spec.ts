import { createConnection } from 'node:net';
import { readSettings, SettingsError } from '@app/ops';
import { newAuthority, type Authority } from '@app/test-support/network/certificates';
import { openStore, type RedisTls } from '../../index.js';
import { parseRedisUrl, storeUrlProblem } from './redis-address.js';
import { redisSettings, storeOptions } from '@app/store-settings';

describe('REDIS_URL', () => {
  const plain = {
    host: 'redis',
    port: 6379,
    tls: false,
    username: undefined,
    password: undefined,
    database: 0,
  };

  it.each([
    ['a name', 'redis://redis', {}],
    ['a slash at its end', 'redis://redis:6380/', { port: 6380 }],
    ['an IPv4 address', 'redis://10.0.0.7:6379', { host: '10.0.0.7' }],
    ['an IPv6 address', 'redis://[::1]:6379', { host: '::1' }],
    [
      'a longer one, with everything',
      'rediss://u:p@[2001:db8::7]:6390/3',
      {
        host: '2001:db8::7',
        port: 6390,
        tls: true,
        username: 'u',
        password: 'p',
        database: 3,
      },
    ],
    ['a password alone', 'redis://:secret@redis', { password: 'secret' }],
    ['an encoded password', 'redis://:p%25%40%2F%3A%23%3Fx@redis', { password: 'p%@/:#?x' }],
    ['a password of two bytes a letter', 'redis://:gr%C3%BC%C3%9Fe@redis', { password: 'grüße' }],
    ['upper case', 'REDIS://redis', {}],
  ])('is read: %s', (_title, url, expected) => {
    expect(parseRedisUrl(url)).toEqual({ ...plain, ...expected });
  });

  it.each([
    ['a % in the password that encodes nothing', 'redis://:canary%zz@redis', 'write it as %25'],
    ['a % at the end of the password', 'redis://:canary%@redis', 'write it as %25'],
    ['half a letter in the password', 'redis://:canary%C3@redis', 'write it as %25'],
    ['a database with a name', 'redis://redis:6379/cache', 'by its number'],
    ['a database below zero', 'redis://redis:6379/-1', 'by its number'],
    ['a path', 'redis://redis:6379/0/canary', 'by its number'],
    ['a question mark', 'redis://:canary?x@redis', 'must be redis://'],
    ['options', 'redis://redis:6379/0?db=canary', 'must end with the database'],
    ['a slash in the password', 'redis://:can/ary@redis', 'must be redis://'],
    ['an IPv6 address without brackets', 'redis://::1:6379', 'must be redis://'],
    ['no host', 'redis://', 'must be redis://'],
    ['port 0', 'redis://redis:0', 'must be redis://'],
    ['a port beyond all', 'redis://redis:66000', 'must be redis://'],
    ['another protocol', 'http://redis', 'must be redis://'],
    ['no protocol', 'redis:6379', 'must be redis://'],
  ])('is a named mistake: %s', (_title, url, words) => {
    expect(storeUrlProblem(url)).toContain(words);
    expect(() => openStore(url)).toThrow(words);
    const read = () => readSettings(redisSettings, { ENVIRONMENT: 'dev', REDIS_URL: url });
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(`REDIS_URL ${storeUrlProblem(url)}`);
    expect(read).not.toThrow('canary');
  });
});

describe('REDIS_TLS_CA, _CERT and _KEY', () => {
  const DAY_MS = 86_400_000;
  let authority: Authority;
  let good: Required<RedisTls>;

  beforeAll(async () => {
    authority = await newAuthority();
    good = await authority.issue('a');
  });

  const read = ({ ca, cert, key }: RedisTls, url = 'rediss://redis') =>
    storeOptions({
      ...{ ENVIRONMENT: 'dev', AUTH0_ISSUER_URL: new URL('https://acme.auth0.com/'), REDIS_URL: url },
      ...{ REDIS_TLS_CA: ca, REDIS_TLS_CERT: cert, REDIS_TLS_KEY: key },
    });

  it('are none, an authority, a certificate with its key, or all three', () => {
    const { ca, cert, key } = good;
    for (const tls of [{}, { ca }, { cert, key }, { ca, cert, key }])
      expect(read(tls).tls).toEqual({ ca: undefined, cert: undefined, key: undefined, ...tls });
  });

  it.each<[string, () => RedisTls | Promise<RedisTls>, RegExp]>([
    [
      'a certificate without its key',
      () => ({ cert: good.cert }),
      /_CERT and REDIS_TLS_KEY must be set together/,
    ],
    [
      'a key without its certificate',
      () => ({ key: good.key }),
      /_CERT and REDIS_TLS_KEY must be set together/,
    ],
    [
      'a path',
      () => ({ ca: '/etc/ssl/redis-ca.pem' }),
      /REDIS_TLS_CA is no PEM .*: a path is given as \*_FILE/,
    ],
    [
      'an authority that is none',
      () => ({ ca: good.cert }),
      /REDIS_TLS_CA holds a certificate that is no authority/,
    ],
    [
      'an authority that is cut',
      () => ({ ca: good.ca!.replace(/\n.{20}/, '\n') }),
      /REDIS_TLS_CA .* is it cut/,
    ],
    [
      'a key for a certificate',
      () => ({ cert: good.key, key: good.key }),
      /REDIS_TLS_CERT holds a PRIVATE KEY/,
    ],
    [
      'a certificate for a key',
      () => ({ cert: good.cert, key: good.cert }),
      /REDIS_TLS_KEY holds a CERTIFICATE/,
    ],
    [
      'the key of another certificate',
      async () => ({ cert: good.cert, key: (await authority.issue('b')).key }),
      /REDIS_TLS_KEY does not fit REDIS_TLS_CERT/,
    ],
    [
      'a certificate that has expired',
      () =>
        authority.issue('a', {
          notBefore: new Date(Date.now() - 9 * DAY_MS),
          notAfter: new Date(Date.now() - DAY_MS),
        }),
      /REDIS_TLS_CERT expired on/,
    ],
    [
      'a certificate for servers',
      () => authority.issue('a', { purpose: 'serverAuth' }),
      /REDIS_TLS_CERT is not for a client/,
    ],
  ])('are a named mistake: %s', async (_title, tls, words) => {
    const material = await tls();
    expect(() => read(material)).toThrow(SettingsError);
    expect(() => read(material)).toThrow(words);
  });

  it('are a named mistake for a URL that speaks no TLS', () => {
    const { ca } = good;
    expect(() => read({ ca }, 'redis://redis')).toThrow(/REDIS_TLS_CA, .* REDIS_URL of rediss:/);
    expect(() => openStore('redis://redis', { tls: { ca } })).toThrow('rediss://');
  });
});

/** Without IPv6 on the machine there is nothing to try. */
function hasIpv6(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '::1', port: 1 });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
}

it('a Redis at [::1] is reached', async () => {
  if (!(await hasIpv6())) return;
  const { RedisServer } = await import('@app/test-support/redis/redis-server');
  const redis = await RedisServer.start(['--bind', '127.0.0.1', '::1']);
  const store = openStore(`redis://[::1]:${redis.port}`);
  await new Promise<void>((resolve) => store.onAvailable(resolve));
  await store.set('a', '1', { ttlMs: 1_000 });
  await store.close();
  await redis.stop();
});

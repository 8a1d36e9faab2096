import { createConnection } from 'node:net';
import { generateKeyPairSync } from 'node:crypto';
import { readSettings, SettingsError } from '@app/ops';
import { newAuthority } from '../../../test/support/certificates.js';
import { openStore } from './index.js';
import { redisTlsProblem, storeUrlProblem } from './redis-address.js';
import { parseRedisUrl } from './redis-address.js';
import { redisSettings, storeOptions } from './settings.js';

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
  it('are a named mistake where they cannot be used', async () => {
    const authority = await newAuthority();
    const { ca, cert, key } = await authority.issue('a');
    const { key: otherKey } = await authority.issue('b');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const locked = privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'x',
    });
    const url = 'rediss://redis';
    const rows: [string, Parameters<typeof redisTlsProblem>[1], string | undefined][] = [
      [url, {}, undefined],
      [url, { ca }, undefined],
      [url, { ca, cert, key }, undefined],
      [url, { cert, key }, undefined],
      ['redis://redis', { ca }, 'rediss://'],
      [url, { cert }, 'set together'],
      [url, { key }, 'set together'],
      [url, { ca: '/etc/ssl/redis-ca.pem' }, 'REDIS_TLS_CA_FILE a path'],
      [url, { ca, cert: key, key }, 'REDIS_TLS_CERT is no certificate'],
      [url, { ca, cert, key: cert }, 'REDIS_TLS_KEY is no private key'],
      [url, { ca, cert, key: String(locked) }, 'without a password'],
      [url, { ca, cert, key: otherKey }, 'not the key of REDIS_TLS_CERT'],
    ];
    for (const [of, material, words] of rows) {
      const found = redisTlsProblem(of, material);
      if (words === undefined) expect(found).toBeUndefined();
      else expect(found).toContain(words);
    }
    const settings = { REDIS_URL: url, REDIS_TLS_CA: ca, REDIS_TLS_CERT: cert, REDIS_TLS_KEY: otherKey };
    const scope = { ENVIRONMENT: 'dev', AUTH0_ISSUER_URL: new URL('https://acme.auth0.com/') };
    expect(() => storeOptions({ ...settings, ...scope })).toThrow('REDIS_TLS_KEY');
  });
});

/** Where the machine has no IPv6 there is nothing to try. */
function hasIpv6(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '::1', port: 1 });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code === 'ECONNREFUSED'));
  });
}

it('a Redis at [::1] is reached', async () => {
  if (!(await hasIpv6())) return;
  const { RedisServer } = await import('../../../test/support/redis-server.js');
  const redis = await RedisServer.start(['--bind', '127.0.0.1', '::1']);
  const store = openStore(`redis://[::1]:${redis.port}`);
  await new Promise<void>((resolve) => store.onAvailable(resolve));
  await store.set('a', '1', { ttlMs: 1_000 });
  await store.close();
  await redis.stop();
});

import { connect, createServer, type AddressInfo } from 'node:net';
import { PATIENT } from '../../../test/support/patient.js';
import { RedisServer } from '../../../test/support/redis-server.js';
import { until } from '../../../test/support/until.js';
import { formerName, openStore, storeCheck, type OpenStoreOptions } from './index.js';

/** What a store finds when it comes to a server. */
async function found(url: string, options: OpenStoreOptions = {}) {
  const warnings: string[] = [];
  const log = { info: () => undefined, warn: (line: string) => void warnings.push(line) };
  const store = openStore(url, { prefix: 'dev:abc:', ...options, log });
  await new Promise<void>((resolve) => store.onAvailable(resolve));
  const { problems } = store;
  const health = storeCheck(store);
  await store.close();
  return { problems: problems.join('\n'), warnings, health };
}

describe('what a Redis lacks is named when a store comes to it', () => {
  let redis: RedisServer;

  beforeEach(async () => {
    redis = await RedisServer.start();
  });

  afterEach(() => redis.stop());

  it('nothing', async () => {
    expect(await found(redis.url)).toEqual({ problems: '', warnings: [], health: { up: true } });
    expect(await redis.cli('--scan', '--pattern', '*probe-set*')).toBe('');
  });

  it.each<[command: string, rules: string[]]>([
    ['set', []],
    ['mget', []],
    ['del', []],
    ['eval', []],
    ['multi', []],
    ['publish', []],
    ['pexpire', []],
    ['zadd', []],
    ['zrange', []],
    ['scan', []],
    ['incr', []],
    ['get', []],
    ['pttl', []],
    ['NOPERM', ['resetkeys', '~other:*']],
    ['NOPERM', ['resetchannels', '&other:*']],
    ['NOPERM', ['resetkeys', '%R~*']],
  ])('a right: %s %j', async (command, rules) => {
    const changes = rules.length > 0 ? rules : [`-${command}`];
    await redis.cli(
      'ACL',
      'SETUSER',
      'limited',
      'on',
      '>pass',
      'allkeys',
      'allchannels',
      '+@all',
      ...changes,
    );
    const { problems, warnings, health } = await found(redis.url.replace('//', '//limited:pass@'));
    expect(problems).toContain(command);
    expect(warnings).toEqual([expect.stringContaining('NOPERM')]);
    expect(health).toEqual({ up: false, detail: expect.stringContaining('NOPERM') });
  });

  it('no right that is not needed: a guarded service can do with few', async () => {
    const rights = [
      '+set',
      '+mget',
      '+del',
      '+info',
      '+time',
      '+subscribe',
      '+ping',
      '+client',
      '+hello',
      '+select',
    ];
    await redis.cli('ACL', 'SETUSER', 'guard', 'on', '>pass', '~dev:abc:*', '&dev:abc:*', ...rights);
    const url = redis.url.replace('//', '//guard:pass@');
    expect(await found(url, { use: 'cache' })).toMatchObject({ problems: '', health: { up: true } });
    expect((await found(url)).problems).toContain('NOPERM');
    // Another deployment's.
    expect((await found(url, { use: 'cache', prefix: 'int:abc:' })).problems).toContain('NOPERM');
  });

  it('a version that is new enough', async () => {
    const old = createServer((client) => {
      const server = connect(redis.port, '127.0.0.1');
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
        one.on('data', (chunk) =>
          other.write(
            Buffer.from(chunk.toString('latin1').replace(/redis_version:7/, 'redis_version:6'), 'latin1'),
          ),
        );
      }
    });
    await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
    const { problems } = await found(`redis://127.0.0.1:${(old.address() as AddressInfo).port}`);
    expect(problems).toMatch(/Redis 6\.\S+ is too old: 7\.0 or newer is needed/);
    await new Promise((resolve) => old.close(resolve));
  });
});

it('a Redis in cluster mode is named as one', async () => {
  const redis = await RedisServer.start(['--cluster-enabled', 'yes']);
  const { problems } = await found(redis.url);
  expect(problems).toContain('cluster mode');
  expect(problems).toContain('CLUSTERDOWN');
  await redis.stop();
});

it('a server that did not say at first whether there are former names is asked again', async () => {
  const redis = await RedisServer.start();
  await redis.cli('SET', 'sign', 'of before');
  const user = (...rules: string[]) => redis.cli('ACL', 'SETUSER', 'limited', 'on', '>pass', ...rules);
  await user('allkeys', 'allchannels', '+@all', '-exists', '-set');
  const formerNames = { signs: ['sign'], keepMs: 60_000 };
  const url = redis.url.replace('//', '//limited:pass@');
  const store = openStore(url, { ...PATIENT, prefix: 'dev:abc:', formerNames });
  try {
    await new Promise<void>((resolve) => store.onAvailable(resolve));
    expect(await store.getMany([formerName('sign')])).toEqual([null]);
    await user('+exists', '+set');
    await until(async () => (await store.getMany([formerName('sign')]))[0] === 'of before', 15_000);
  } finally {
    await store.close();
    await redis.stop();
  }
});

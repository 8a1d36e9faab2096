import { connect, createServer, type AddressInfo } from 'node:net';
import { PATIENT } from '../../../test/support/patient.js';
import { RedisServer } from '../../../test/support/redis-server.js';
import { until } from '../../../test/support/until.js';
import {
  formerName,
  openStore,
  storeCheck,
  StoreUnavailable,
  type OpenStoreOptions,
  type SharedStore,
} from './index.js';

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

describe('whether there is something of earlier versions', () => {
  const SIGN = formerName('sign');
  let redis: RedisServer;
  let store: SharedStore;

  beforeEach(async () => {
    redis = await RedisServer.start();
  });

  afterEach(async () => {
    await store.close();
    await redis.stop();
  });

  const user = (...rules: string[]) => redis.cli('ACL', 'SETUSER', 'limited', 'on', '>pass', ...rules);
  const open = async () => {
    const formerNames = { signs: ['sign'], keepMs: 60_000 };
    const url = redis.url.replace('//', '//limited:pass@');
    store = openStore(url, { ...PATIENT, prefix: 'dev:abc:', formerNames });
    await new Promise<void>((resolve) => store.onAvailable(resolve));
  };

  it.each<[string, string[], string[]]>([
    ['the command', ['allkeys', '-exists'], ['+exists']],
    ['the keys, as of a user that is limited to those of today', ['~dev:*'], ['%R~sign', '~former-names:v1']],
  ])(
    'is asked again of a server that refused %s: until it tells nothing is overlooked, and nothing written',
    async (_title, rules, then) => {
      await redis.cli('SET', 'sign', 'of before');
      await user('allchannels', '+@all', ...rules);
      await open();
      expect(storeCheck(store)).toEqual({
        up: false,
        detail: expect.stringMatching(/^looking for what earlier versions left \(sign\) is refused: NOPERM/),
      });
      const write = { op: 'set', key: SIGN, value: 'x', ttlMs: 1_000 } as const;
      await expect(store.getMany(['a', SIGN])).rejects.toThrow(StoreUnavailable);
      await expect(store.writeAll([write])).rejects.toThrow(StoreUnavailable);
      await expect(store.writeAllIfEqual('a', null, [write])).rejects.toThrow(StoreUnavailable);
      await expect(store.scan(SIGN)[Symbol.asyncIterator]().next()).rejects.toThrow(StoreUnavailable);
      expect(await store.getMany(['a'])).toEqual([null]);
      await user(...then);
      await until(() => store.problems.length === 0, 15_000);
      expect(await store.getMany([SIGN])).toEqual(['of before']);
    },
  );

  it('is no, where there is nothing, to a user that may look', async () => {
    await user('~dev:*', '%R~sign', 'allchannels', '+@all');
    await open();
    expect(storeCheck(store)).toEqual({ up: true });
    expect(await store.getMany([SIGN])).toEqual([null]);
  });

  it('is yes, and a problem, where it may be looked for and not be claimed', async () => {
    await redis.cli('SET', 'sign', 'of before');
    await user('~dev:*', '%R~sign', 'allchannels', '+@all');
    await open();
    expect(storeCheck(store)).toEqual({
      up: false,
      detail: expect.stringMatching(/claiming what earlier versions left .*former-names:v1.* NOPERM/),
    });
    expect(await store.getMany([SIGN])).toEqual(['of before']);
  });
});

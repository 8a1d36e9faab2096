import { connect, createServer, type AddressInfo } from 'node:net';
import { paste, rightsLines, type RedisUser } from '@app/test-support/redis/redis-rights';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import {
  formerName,
  openStore,
  storeCheck,
  StoreUnavailable,
  type OpenStoreOptions,
  type SharedStore,
} from '../../index.js';
import type { StoreUse } from './server-check.js';

/** The findings of a store at a new server. */
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

describe('a store names at its first connection what a Redis lacks', () => {
  let redis: RedisServer;

  beforeEach(async () => {
    redis = await RedisServer.start();
  });

  afterEach(() => redis.stop());

  it('nothing', async () => {
    expect(await found(redis.url)).toEqual({ problems: '', warnings: [], health: { up: true } });
    expect(await redis.cli('--scan', '--pattern', '*probe-*')).toBe('');
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
    ['xadd', []],
    ['xrevrange', []],
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

  it('only needed rights: those of docs/operations.md are enough for each service', async () => {
    const urlOf = await paste(redis, (await rightsLines()).slice(0, 3));
    const ofUser = (user: RedisUser, use: StoreUse, prefix = 'dev:abc:') =>
      found(urlOf(user), { use, prefix });
    expect(await ofUser('guard', 'cache')).toMatchObject({ problems: '', health: { up: true } });
    expect(await ofUser('gateway', 'clients')).toMatchObject({ problems: '', health: { up: true } });
    expect(await ofUser('user-token', 'everything')).toMatchObject({ problems: '', health: { up: true } });
    expect((await ofUser('guard', 'clients')).problems).toContain('NOPERM');
    expect((await ofUser('gateway', 'everything')).problems).toContain('NOPERM');
    // Names of another deployment.
    expect((await ofUser('guard', 'cache', 'int:abc:')).problems).toContain('NOPERM');
  });

  it.each<[RedisUser, StoreUse]>([
    ['guard', 'cache'],
    ['gateway', 'clients'],
    ['user-token', 'everything'],
  ])(
    'each right that docs/operations.md gives to %s',
    async (user, use) => {
      const urlOf = await paste(redis, (await rightsLines()).slice(0, 3));
      const { words } = (await rightsLines()).find((line) => line.user === user)!;
      // Without INFO it continues, with nothing cached; databases other than the first are rare.
      const commands = words.filter((word) => word.startsWith('+') && !['+info', '+select'].includes(word));
      expect(commands.length).toBeGreaterThan(3);
      const named = { signs: ['generation:v1'], keepMs: 60_000 };
      await redis.cli('SET', 'generation:v1', 'of before');
      await redis.cli('ACL', 'SETUSER', user, '~former-names:v1');
      for (const command of commands) {
        await redis.cli('ACL', 'SETUSER', user, command.replace('+', '-'));
        const store = openStore(urlOf(user), {
          use,
          prefix: 'dev:abc:',
          formerNames: use === 'cache' ? undefined : named,
        });
        store.subscribe('news', () => undefined);
        await until(() => store.problems.join().includes('NOPERM'), 15_000);
        await store.close();
        await redis.cli('ACL', 'SETUSER', user, command);
      }
    },
    60_000,
  );

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

describe('the check for data of earlier versions', () => {
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
    'repeats after a refusal of %s: until there is an answer, nothing is overlooked, and nothing written',
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

  it('finds nothing on an empty server, for a user that may look', async () => {
    await user('~dev:*', '%R~sign', 'allchannels', '+@all');
    await open();
    expect(storeCheck(store)).toEqual({ up: true });
    expect(await store.getMany([SIGN])).toEqual([null]);
  });

  it('finds the data, and reports a problem, for a user that may look but not claim', async () => {
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

import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import { openStore, type SharedStore } from '../../index.js';

describe('the weaknesses of a Redis', () => {
  it.each<[string, string[], RegExp[]]>([
    [
      'that may evict and forget',
      ['--maxmemory-policy', 'allkeys-lru'],
      [/allkeys-lru/, /appendonly is off/],
    ],
    [
      'that evicts what expires, which is all we write',
      ['--maxmemory-policy', 'volatile-ttl', '--appendonly', 'yes'],
      [/volatile-ttl/],
    ],
    ['that is set as it should be', ['--appendonly', 'yes'], []],
  ])('%s', async (_title, args, expected) => {
    const redis = await RedisServer.start(args);
    const store = openStore(redis.url, PATIENT);
    await new Promise<void>((resolve) => store.onAvailable(resolve));
    expect(await store.weaknesses()).toEqual(expected.map((pattern) => expect.stringMatching(pattern)));
    await store.close();
    await redis.stop();
  });
});

describe('the server behind a Redis store', () => {
  let redis: RedisServer;
  let store: SharedStore;

  beforeEach(async () => {
    redis = await RedisServer.start();
    store = openStore(redis.url);
    await until(() => store.available && store.serverId !== undefined);
  });

  afterEach(async () => {
    await store.close();
    await redis.stop();
  });

  it('is another one after a restart, and unknown while it is away', async () => {
    const before = store.serverId;
    await redis.kill();
    await until(() => !store.available);
    expect(store.serverId).toBeUndefined();
    await redis.restart();
    await until(() => store.available);
    expect(store.serverId).toEqual(expect.any(String));
    expect(store.serverId).not.toBe(before);
  });

  it('stays the same when the connection is lost', async () => {
    const before = store.serverId;
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until(() => !store.available);
    await until(() => store.available);
    expect(store.serverId).toBe(before);
  });

  it('is another one after it has got the data of another server, in the same process', async () => {
    const before = store.serverId;
    const other = await RedisServer.start(['--repl-diskless-sync-delay', '0']);
    await redis.cli('REPLICAOF', '127.0.0.1', String(other.port));
    await until(() => !store.takesWrites && store.serverId === undefined);
    await until(async () => /master_link_status:up/.test(await redis.cli('INFO', 'replication')));
    await redis.cli('REPLICAOF', 'NO', 'ONE');
    await until(() => store.serverId !== undefined && store.serverId !== before);
    await other.stop();
  });

  it('stays unknown without the right to INFO, says so, and all else works', async () => {
    await redis.cli('ACL', 'SETUSER', 'default', '-info');
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until(() => !store.available);
    await until(() => store.available);
    expect(store.serverId).toBeUndefined();
    await store.set('a', 'b', { ttlMs: 10_000 });
    expect(await store.getMany(['a'])).toEqual(['b']);
    expect(await store.weaknesses()).toEqual([expect.stringContaining('INFO')]);
    await redis.cli('ACL', 'SETUSER', 'default', '+info');
    await until(() => store.serverId !== undefined);
  });

  it('has the clock that counts, whatever ours says', async () => {
    const date = Date.now;
    Date.now = () => date() + 3_600_000;
    try {
      expect(Math.abs(store.nowMs() - date())).toBeLessThan(60_000);
    } finally {
      Date.now = date;
    }
  });
});

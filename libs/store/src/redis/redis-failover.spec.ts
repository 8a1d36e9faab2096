import { mkdir } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { FaultProxy } from '@app/test-support/network/fault-proxy';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import { openStore, StoreUnavailable, type SharedStore, type Subscription } from '../index.js';

const PATIENCE_MS = 15_000;
const TTL = { ttlMs: 60_000 };

/** A store, and its log. */
async function open(url: string): Promise<{ store: SharedStore; warnings: string[]; infos: string[] }> {
  const [warnings, infos]: [string[], string[]] = [[], []];
  const log = {
    info: (line: string) => void infos.push(line),
    warn: (line: string) => void warnings.push(line),
  };
  const store = openStore(url, { ...PATIENT, prefix: 'test:', log });
  await new Promise<void>((resolve) => store.onAvailable(resolve));
  return { store, warnings, infos };
}

describe('a failover that keeps connections', () => {
  let former: RedisServer;
  let promoted: RedisServer;
  let proxy: FaultProxy;
  let store: SharedStore;
  let warnings: string[];
  let infos: string[];
  let subscription: Subscription;
  let heard: string[];

  beforeEach(async () => {
    former = await RedisServer.start(['--repl-diskless-sync-delay', '0']);
    promoted = await RedisServer.start(['--replicaof', '127.0.0.1', String(former.port)]);
    await until(async () => /master_link_status:up/.test(await promoted.cli('INFO', 'replication')));
    proxy = await FaultProxy.start(former.port);
    ({ store, warnings, infos } = await open(`redis://127.0.0.1:${proxy.port}`));
    heard = [];
    subscription = store.subscribe('news', (message) => heard.push(message));
    await until(() => subscription.live);
    await store.set('kept', '1', TTL);
    await until(async () => (await promoted.cli('GET', 'test:kept')) === '1');
  });

  afterEach(async () => {
    await store.close();
    await proxy.stop();
    await former.stop();
    await promoted.stop();
  });

  async function promote(): Promise<void> {
    await promoted.cli('REPLICAOF', 'NO', 'ONE');
    await former.cli('REPLICAOF', '127.0.0.1', String(promoted.port));
  }

  const writes = () =>
    store.set('written', '1', TTL).then(
      () => true,
      () => false,
    );

  it('leads commands and subscriptions to the new master', async () => {
    const before = store.serverId;
    await promote();
    proxy.leadTo(promoted.port);
    await until(writes, PATIENCE_MS);
    await until(() => subscription.live && store.problems.length === 0, PATIENCE_MS);
    expect(await promoted.cli('GET', 'test:written')).toBe('1');
    expect(await store.getMany(['kept'])).toEqual(['1']);
    expect(store.serverId).not.toBe(before);
    await store.writeAll([{ op: 'publish', channel: 'news', message: 'promoted' }]);
    await until(() => heard.includes('promoted'));
  });

  it('leads them there also without any write', async () => {
    await promote();
    proxy.leadTo(promoted.port);
    await until(async () => /role:master/.test(await promoted.cli('INFO', 'replication')));
    await until(() => subscription.live && store.problems.length === 0 && infos.length > 0, PATIENCE_MS);
    await until(writes, PATIENCE_MS);
  });

  it('shows as long as the name leads to the former master: reads work, writes fail, the subscription is not live', async () => {
    await promote();
    await until(() => store.problems.length > 0 && !subscription.live, PATIENCE_MS);
    await expect(store.set('written', '1', TTL)).rejects.toThrow(StoreUnavailable);
    expect(store.problems.join()).toContain('READONLY');
    expect(await store.getMany(['kept'])).toEqual(['1']);
    expect(store.available).toBe(true);
    expect(warnings.filter((line) => line.includes('asked of it')).length).toBe(1);
    proxy.leadTo(promoted.port);
    await until(writes, PATIENCE_MS);
    await until(() => subscription.live && store.problems.length === 0, PATIENCE_MS);
    expect(infos).toContain('Redis does all that is asked of it again');
  });

  it('leads both connections to the new master, also when the former one still accepts writes on open connections', async () => {
    await promoted.cli('REPLICAOF', 'NO', 'ONE');
    proxy.leadTo(promoted.port);
    const before = store.serverId;
    // Cuts only the subscription, as the idle timeout of a proxy does.
    await former.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await until(
      () => subscription.live && store.serverId !== undefined && store.serverId !== before,
      PATIENCE_MS,
    );
    await until(writes, PATIENCE_MS);
    expect(await promoted.cli('GET', 'test:written')).toBe('1');
  });
});

describe('a Redis that answers and refuses requests', () => {
  let redis: RedisServer;
  let store: SharedStore;
  let warnings: string[];
  let infos: string[];

  beforeEach(async () => {
    redis = await RedisServer.start();
    ({ store, warnings, infos } = await open(redis.url));
  });

  afterEach(async () => {
    await store.close();
    await redis.stop();
  });

  async function failSaving(): Promise<void> {
    const [, dir = ''] = (await redis.cli('CONFIG', 'GET', 'dir')).split('\n');
    await mkdir(join(dir, 'dump.rdb'));
    await redis.cli('CONFIG', 'SET', 'save', '3600 1');
    await redis.cli('BGSAVE');
    await until(async () => /rdb_last_bgsave_status:err/.test(await redis.cli('INFO', 'persistence')));
  }

  const acl = (...rules: string[]) => redis.cli('ACL', 'SETUSER', 'default', ...rules);
  const setting = (name: string, value: string) => redis.cli('CONFIG', 'SET', name, value);

  it.each<[code: string, how: string, break_: () => Promise<unknown>, mend: () => Promise<unknown>]>([
    ['OOM', 'full', () => setting('maxmemory', '1'), () => setting('maxmemory', '0')],
    [
      'NOREPLICAS',
      'without its replica',
      () => setting('min-replicas-to-write', '1'),
      () => setting('min-replicas-to-write', '0'),
    ],
    ['MISCONF', 'that cannot save', failSaving, () => setting('stop-writes-on-bgsave-error', 'no')],
    ['NOPERM', 'that forbids to write', () => acl('-set'), () => acl('+set')],
    ['NOPERM', 'that forbids scripts', () => acl('-eval'), () => acl('+eval')],
    ['NOPERM', 'that forbids transactions', () => acl('-multi'), () => acl('+multi')],
    ['NOPERM', 'that forbids to publish', () => acl('-publish'), () => acl('+publish')],
    ['NOPERM', 'that forbids our keys', () => acl('resetkeys', '~other:*'), () => acl('allkeys')],
    [
      'READONLY',
      'that became a replica',
      () => redis.cli('REPLICAOF', '127.0.0.1', '1'),
      () => redis.cli('REPLICAOF', 'NO', 'ONE'),
    ],
    [
      'MASTERDOWN',
      'that is a replica without its master and serves nothing',
      async () => {
        await setting('replica-serve-stale-data', 'no');
        await redis.cli('REPLICAOF', '127.0.0.1', '1');
      },
      () => redis.cli('REPLICAOF', 'NO', 'ONE'),
    ],
  ])('%s, one %s: shows while it lasts, and the log has it once', async (code, _how, break_, mend) => {
    await break_();
    const tries = [
      () => store.set('a', '1', TTL),
      () =>
        store.writeAll([
          { op: 'set', key: 'a', value: '1', ...TTL },
          { op: 'publish', channel: 'c', message: 'm' },
        ]),
      () => store.writeAllIfEqual('none', null, [{ op: 'set', key: 'a', value: '1', ...TTL }]),
      () => store.getMany(['a']),
    ];
    const outcomes = await Promise.allSettled(tries.map((attempt) => attempt()));
    expect(outcomes.map(({ status }) => status)).toContain('rejected');
    expect(store.problems.join()).toContain(code);
    expect(warnings.filter((line) => line.includes(code))).toHaveLength(1);
    await mend();
    await until(() => store.problems.length === 0, PATIENCE_MS);
    await until(() => infos.includes('Redis does all that is asked of it again'), PATIENCE_MS);
    for (const attempt of tries) await attempt();
  });

  it.each<[how: string, attempt: () => Promise<unknown>]>([
    ['in a command', () => store.set('a', '1', TTL)],
    ['in a transaction', () => store.writeAll([{ op: 'set', key: 'a', value: '1', ...TTL }])],
    ['in a script', () => store.writeAllIfEqual('none', null, [{ op: 'set', key: 'a', value: '1', ...TTL }])],
    ['in a count', () => store.countAll([{ key: 'a', max: 1 }], { windowMs: 1_000 })],
  ])('shows after its first refusal, %s', async (_how, attempt) => {
    await setting('min-replicas-to-write', '1');
    await expect(attempt()).rejects.toThrow(StoreUnavailable);
    expect(store.problems.join()).toContain('NOREPLICAS');
  });

  it('shows also without any write', async () => {
    await setting('min-replicas-to-write', '1');
    await until(() => store.problems.join().includes('NOREPLICAS'), PATIENCE_MS);
  });

  it('BUSY with an endless script: shows as away, with the reason', async () => {
    await setting('busy-reply-threshold', '100');
    const endless = redis.cli('EVAL', 'while true do end', '0').catch(() => undefined);
    await until(() => store.problems.join().includes('BUSY'), PATIENCE_MS);
    await redis.cli('SCRIPT', 'KILL');
    await endless;
    await until(() => store.problems.length === 0, PATIENCE_MS);
  });

  it.each([
    'LOADING Redis is loading the dataset in memory',
    'CLUSTERDOWN Hash slot not served',
    'MOVED 3999 127.0.0.1:6381',
  ])('that answers %s: shows while it lasts', async (answer) => {
    let refusing = false;
    const between = createServer((client) => {
      const server = connect(redis.port, '127.0.0.1');
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
      }
      client.on('data', (chunk) => server.write(chunk));
      server.on('data', (chunk) =>
        client.write(refusing ? chunk.toString('latin1').replaceAll('+OK\r\n', `-${answer}\r\n`) : chunk),
      );
    });
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
    const other = await open(`redis://127.0.0.1:${(between.address() as AddressInfo).port}`);
    refusing = true;
    await expect(other.store.set('a', '1', TTL)).rejects.toThrow(StoreUnavailable);
    expect(other.store.problems.join()).toContain(answer);
    expect(other.warnings.filter((line) => line.includes(answer))).toHaveLength(1);
    refusing = false;
    await until(() => other.store.problems.length === 0, PATIENCE_MS);
    await other.store.set('a', '1', TTL);
    await other.store.close();
    await new Promise((resolve) => between.close(resolve));
  });

  it('NOAUTH after it got a password: shows as away, with the reason', async () => {
    await acl('resetpass', '>secret');
    await redis.cli('-a', 'secret', 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await until(() => store.problems.join().includes('NOAUTH'), PATIENCE_MS);
    expect(warnings.join()).toContain('NOAUTH');
  });
});

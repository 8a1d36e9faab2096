import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newAuthority, type Authority } from '@app/test-support/network/certificates';
import { freePort, RedisServer } from '@app/test-support/redis/redis-server';
import { until } from '@app/test-support/timing/until';
import { openStore, type RedisTls, type SharedStore } from '../index.js';

const PATIENCE_MS = 15_000;

describe('a Redis that speaks TLS and asks for a certificate', () => {
  let authority: Authority;
  let folder: string;
  let redis: RedisServer;
  let url: string;
  const stores: SharedStore[] = [];

  beforeAll(async () => {
    authority = await newAuthority();
    const { ca, cert, key } = await authority.issue('redis');
    folder = await mkdtemp(join(tmpdir(), 'redis-tls-'));
    const files = { 'tls-ca-cert-file': ca, 'tls-cert-file': cert, 'tls-key-file': key };
    const args: string[] = [];
    for (const [setting, pem] of Object.entries(files)) {
      await writeFile(join(folder, setting), pem);
      args.push(`--${setting}`, join(folder, setting));
    }
    const port = await freePort();
    redis = await RedisServer.start(['--tls-port', String(port), ...args]);
    url = `rediss://localhost:${port}`;
  });

  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
  });

  afterAll(async () => {
    await redis.stop();
    await rm(folder, { recursive: true });
  });

  function open(tls: RedisTls): SharedStore {
    const store = openStore(url, { tls });
    stores.push(store);
    return store;
  }

  it('works with its authority and our certificate, for commands and subscriptions', async () => {
    const store = open(await authority.issue('user-token'));
    const subscription = store.subscribe('news', () => undefined);
    await until(() => subscription.live && store.available, PATIENCE_MS);
    await store.set('a', '1', { ttlMs: 10_000 });
    expect(store.problems).toEqual([]);
  });

  it('is away, with the reason, without a certificate or with another authority', async () => {
    const { ca, cert, key } = await authority.issue('user-token');
    const other = await (await newAuthority()).issue('user-token');
    const rows: [RedisTls, RegExp][] = [
      [{ ca }, /certificate|alert|closed/i],
      [{ cert, key }, /self.signed|issuer|certificate/i],
      [{ ...other }, /self.signed|issuer|certificate|signature/i],
    ];
    for (const [tls, words] of rows) {
      const store = open(tls);
      await until(() => store.problems.join() !== 'Redis is away', PATIENCE_MS);
      expect(store.problems.join()).toMatch(words);
      expect(store.available).toBe(false);
    }
  });
});

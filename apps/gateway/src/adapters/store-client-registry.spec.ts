import { createHmac } from 'node:crypto';
import { jest } from '@jest/globals';
import { bareName, openStore, storePrefix, StoreUnavailable, type SharedStore } from '@app/store';
import { CLIENTS_KEY } from '@app/contract';
import fc from 'fast-check';
import { paste, rightsLines } from '@app/test-support/redis/redis-rights';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { clientRecord, heardLog, silentLog } from '@app/test-support/suite/oauth-clients';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import { ofClients, openClientRegistry } from './open-client-registry.js';
import { formerKeyOf } from './sealed-clients.js';
import { StoreClientRecords } from './store-client-records.js';
import { StoreClientRegistry } from './store-client-registry.js';

const SECRET = 'a-token-cache-secret-of-32-characters';
const DAY_MS = 24 * 3600 * 1000;

/** Adds a client, or changes whether it is enabled. */
async function put(store: SharedStore, clientId: string, enabled = true): Promise<void> {
  const records = new StoreClientRecords(store, [SECRET]);
  await records.change(clientId, (found) => ({ ...(found ?? clientRecord(clientId)), enabled }));
}

describe('clients in Redis', () => {
  let redis: RedisServer;
  let store: SharedStore;

  beforeAll(async () => {
    redis = await RedisServer.start();
    store = openStore(redis.url);
    await new Promise<void>((resolve) => store.onAvailable(resolve));
  });

  beforeEach(() => redis.cli('FLUSHALL'));

  afterAll(async () => {
    await store.close();
    await redis.stop();
  });

  const open = (secret = SECRET, log = silentLog) => new StoreClientRegistry(store, [secret], log);

  it('are found by every gateway, and refused within about a second after being disabled', async () => {
    await put(store, 'shared');
    const [one, other] = [open(), open()];
    for (const registry of [one, other]) {
      expect(await registry.find('shared')).toMatchObject({ clientId: 'shared', enabled: true });
      expect(await registry.scopes()).toEqual(['read:venues']);
    }
    await put(store, 'shared', false);
    await until(async () => (await one.find('shared'))?.enabled === false, 10_000);
    await until(async () => (await other.scopes()).length === 0, 10_000);
    expect(await other.find('shared')).toMatchObject({ enabled: false });
  });

  it('are read at most once a second, for any number of requests and clients, and never scanned', async () => {
    for (let i = 0; i < 5; i += 1) await put(store, `client-${i}`);
    await redis.cli('CONFIG', 'RESETSTAT');
    const sinceMs = performance.now();
    const registry = open();
    const ids = [
      '',
      'a'.repeat(20_000),
      '*',
      '__proto__',
      'ü\0\n',
      ...Array.from({ length: 200 }, (_, i) => `made-up-${i}`),
    ];
    const asked = ids.flatMap((id) => [registry.find(id), registry.scopes(), registry.find('client-3')]);
    const answers = await Promise.all<unknown>(asked);
    expect(answers.filter((_, index) => index % 3 === 0)).toEqual(ids.map(() => undefined));
    expect(answers[2]).toMatchObject({ clientId: 'client-3' });
    const seconds = Math.ceil((performance.now() - sinceMs) / 1_000);
    const stats = await redis.cli('INFO', 'commandstats');
    expect(Number(/cmdstat_mget:calls=(\d+)/.exec(stats)?.[1])).toBeLessThanOrEqual(seconds);
    expect(stats).not.toMatch(/cmdstat_(scan|keys|get):/);
  });

  it('lose none of 50 simultaneous changes', async () => {
    const ids = Array.from({ length: 25 }, (_, i) => `client-${i}`);
    await Promise.all(ids.map((id) => put(store, id)));
    await Promise.all([
      ...ids.map((id) => put(store, id, false)),
      ...ids.map((id) => put(store, `${id}-more`)),
    ]);
    const listed = await new StoreClientRecords(store, [SECRET]).list();
    expect(listed.filter(({ enabled }) => !enabled).map(({ client_id: id }) => id)).toEqual(ids.toSorted());
    expect(listed).toHaveLength(50);
  });

  it('do not count under another seal: no client is let in, and nothing is changed', async () => {
    await new StoreClientRecords(store, ['another-secret-of-at-least-32-characters']).change('forged', () =>
      clientRecord('forged'),
    );
    const forged = await redis.cli('GET', CLIENTS_KEY);
    const { log, errors } = heardLog();
    const registry = open(SECRET, log);
    await expect(registry.find('forged')).rejects.toThrow(StoreUnavailable);
    await expect(registry.scopes()).rejects.toThrow(StoreUnavailable);
    await expect(put(store, 'real')).rejects.toThrow('CLIENT_SECRETS');
    await expect(new StoreClientRecords(store, [SECRET]).list()).rejects.toThrow('CLIENT_SECRETS');
    expect(await redis.cli('GET', CLIENTS_KEY)).toBe(forged);
    expect(errors()).toHaveLength(1);
  });

  it.each([
    ['garbage', () => 'garbage'],
    ['nothing at all', () => ''],
    ['another byte', (sealed: string) => sealed.replace('"enabled":false', '"enabled":true')],
    ['more at its end', (sealed: string) => `${sealed} `],
  ])('that were tampered with are none: %s', async (_title, tamper) => {
    await put(store, 'acme', false);
    await store.set(CLIENTS_KEY, tamper(await redis.cli('GET', CLIENTS_KEY)), { ttlMs: DAY_MS });
    await expect(open().find('acme')).rejects.toThrow(StoreUnavailable);
  });

  it('that were put back in an older form are not used, and this is logged', async () => {
    await put(store, 'acme');
    await put(store, 'shop');
    const before = await redis.cli('GET', CLIENTS_KEY);
    await put(store, 'acme', false);
    const { log, lines, errors } = heardLog();
    const registry = open(SECRET, log);
    expect(await registry.find('acme')).toMatchObject({ enabled: false });
    await store.set(CLIENTS_KEY, before, { ttlMs: DAY_MS });
    await until(async () => (await registry.find('acme'), errors().length > 0), 10_000);
    expect(errors()).toMatchObject([{ clients: ['acme'] }]);
    expect(registry.inForce()).toContain('older clients were put back');
    for (const id of ['shop', 'bank']) {
      // A command works with the current records, and must not make an old client newer.
      await put(store, id, false);
      await until(async () => (await registry.find(id))?.enabled === false, 10_000);
      expect(await registry.find('acme')).toMatchObject({ enabled: false });
    }
    await put(store, 'acme');
    await until(async () => (await registry.find('acme'))?.enabled === true, 10_000);
    expect(lines.at(-1)).toMatchObject({ msg: 'the clients in Redis are well again' });
    expect(registry.inForce()).toMatch(/^revision [\w-]{16}$/);
  });

  it('that are deleted are unknown, and this is logged', async () => {
    await put(store, 'acme');
    const { log, errors } = heardLog();
    const registry = open(SECRET, log);
    expect(await registry.find('acme')).toBeDefined();
    await redis.cli('DEL', CLIENTS_KEY);
    await until(async () => (await registry.find('acme')) === undefined, 10_000);
    expect(await registry.scopes()).toEqual([]);
    expect(errors()).toHaveLength(1);
  });

  describe('of versions without prefixes', () => {
    const ANOTHER = 'another-secret-of-at-least-32-characters';
    const stores: SharedStore[] = [];

    beforeEach(() => redis.cli('SET', 'generation:v1', 'run.history/id/0/0'));

    afterEach(async () => {
      for (const one of stores.splice(0)) await one.close();
    });

    async function later(environment = 'dev'): Promise<SharedStore> {
      const prefix = storePrefix({ environment, issuer: 'https://acme.auth0.com/' });
      // With the rights of docs/operations.md.
      const urlOf = await paste(redis, await rightsLines(), environment);
      const opened = openStore(urlOf('gateway'), { ...PATIENT, ...ofClients, prefix });
      stores.push(opened);
      await new Promise<void>((resolve) => opened.onAvailable(resolve));
      return opened;
    }
    const sealedAt = (key: string, content: string, secret = SECRET) =>
      createHmac('sha256', secret).update(`${key}\0${content}`).digest('base64url') + content;
    const keep = (key: string, content: object, secret = SECRET) =>
      redis.cli('SET', key, sealedAt(key, JSON.stringify(content), secret), 'EX', '3600');
    const former = (id: string, secret = SECRET) =>
      keep(bareName(formerKeyOf(clientRecord(id))), clientRecord(id), secret);
    const together = (...ids: string[]) =>
      keep('clients:v2', { clients: ids.map((id) => ({ ...clientRecord(id), version: 1 })) });
    const idsOf = async (of: SharedStore) =>
      (await new StoreClientRecords(of, [SECRET]).list()).map(
        ({ client_id: id, enabled }) => `${id} ${enabled}`,
      );

    it('still work, are also changed for gateways of those versions, and belong to no other deployment', async () => {
      await together('old', 'older');
      const dev = await later();
      const int = await later('int');
      const registry = new StoreClientRegistry(dev, [SECRET], silentLog);
      expect(await registry.find('old')).toMatchObject({ enabled: true });
      await until(async () => (await dev.getMany([CLIENTS_KEY]))[0] !== null);
      await put(dev, 'old', false);
      await until(async () => (await registry.find('old'))?.enabled === false, 10_000);
      expect(await redis.cli('GET', 'clients:v2')).toBe((await dev.getMany([CLIENTS_KEY]))[0]);
      expect(await idsOf(dev)).toEqual(['old false', 'older true']);
      expect(await idsOf(int)).toEqual([]);
      await put(int, 'old');
      expect(await idsOf(int)).toEqual(['old true']);
      expect(await idsOf(dev)).toEqual(['old false', 'older true']);
    });

    it('that cannot be taken over are used, which is logged once, and are taken over as soon as possible', async () => {
      await together('old');
      const dev = await later();
      await redis.cli('ACL', 'SETUSER', 'gateway', '-eval');
      const { log, lines, errors } = heardLog();
      const registry = new StoreClientRegistry(dev, [SECRET], log);
      const refused = async () =>
        Number(/cmdstat_eval:.*rejected_calls=(\d+)/.exec(await redis.cli('INFO', 'commandstats'))?.[1] ?? 0);
      const before = await refused();
      await until(async () => {
        expect(await registry.find('old')).toMatchObject({ enabled: true });
        // One a second is for taking over, two are for finding a server that accepts it.
        return (await refused()) >= before + 9;
      }, 30_000);
      expect(errors()).toMatchObject([{ msg: expect.stringContaining('could not be taken over') }]);
      await redis.cli('ACL', 'SETUSER', 'gateway', '+eval');
      await until(async () => {
        await registry.find('old');
        return (await dev.getMany([CLIENTS_KEY]))[0] !== null;
      }, 30_000);
      await until(() => lines.some(({ msg }) => msg.includes('have been taken over')), 10_000);
      expect(errors()).toHaveLength(1);
    });

    it('with one key for each are taken over by the first command', async () => {
      await former('old');
      await former('older');
      const dev = await later();
      expect(await new StoreClientRegistry(dev, [SECRET], silentLog).find('old')).toBeUndefined();
      expect(await idsOf(dev)).toEqual(['old true', 'older true']);
      await put(dev, 'old', false);
      expect(await idsOf(dev)).toEqual(['old false', 'older true']);
      // A gateway of that version no longer finds it, and refuses it.
      expect(await redis.cli('EXISTS', bareName(formerKeyOf(clientRecord('old'))))).toBe('0');
      expect(await redis.cli('EXISTS', bareName(formerKeyOf(clientRecord('older'))))).toBe('1');
    });

    it('are not overwritten if one was sealed with another secret', async () => {
      await former('old');
      await former('shop', ANOTHER);
      const dev = await later();
      await expect(put(dev, 'shop')).rejects.toThrow('CLIENT_SECRETS');
      expect(await redis.cli('EXISTS', bareName(formerKeyOf(clientRecord('shop'))))).toBe('1');
      await new StoreClientRecords(dev, ['a-new-secret-of-at-least-32-characters', SECRET, ANOTHER]).list();
      expect(await dev.getMany([CLIENTS_KEY])).not.toEqual([null]);
    });
  });

  it('are opened by each of the secrets, and sealed by the first one from the next change on', async () => {
    await put(store, 'acme');
    const NEW = 'a-new-secret-of-at-least-32-characters';
    const { log, errors } = heardLog();
    expect(await new StoreClientRegistry(store, [NEW, SECRET], log).find('acme')).toBeDefined();
    await new StoreClientRecords(store, [NEW, SECRET]).change('shop', () => clientRecord('shop'));
    expect(await new StoreClientRegistry(store, [NEW], log).find('acme')).toBeDefined();
    expect(errors()).toEqual([]);
    const forgotten = new StoreClientRegistry(store, [SECRET], log);
    for (let i = 0; i < 5; i += 1) await expect(forgotten.find('acme')).rejects.toThrow(StoreUnavailable);
    expect(errors()).toHaveLength(1);
    expect(forgotten.inForce()).toContain('CLIENT_SECRETS');
    expect(forgotten.trouble).toBeDefined();
  });

  it('are unavailable while Redis is silent', async () => {
    redis.freeze();
    try {
      const registry = open();
      const asked = [registry.find('real'), registry.find('other'), registry.scopes()];
      for (const answer of await Promise.allSettled(asked)) {
        expect(answer).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) });
      }
      expect(registry.inForce()).toBe('nothing read yet');
    } finally {
      redis.thaw();
    }
  });

  it('need a Redis', async () => {
    const options = {
      location: 'redis:',
      environment: 'dev',
      store: undefined,
      secrets: [SECRET],
      log: silentLog,
    };
    await expect(openClientRegistry(options)).rejects.toThrow('REDIS_URL must name a Redis');
  });
});

type Step =
  | { readonly kind: 'change'; readonly clientId: string; readonly enabled: boolean }
  | { readonly kind: 'put back'; readonly index: number }
  | { readonly kind: 'delete' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('change' as const),
    clientId: fc.constantFrom('acme', 'bank', 'shop'),
    enabled: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('put back' as const), index: fc.nat(20) }),
  fc.constant({ kind: 'delete' as const }),
);

describe('older clients put back into Redis, in any order', () => {
  it('no client returns to its form before its last change', async () => {
    let nowMs = Date.now();
    const clocks = [jest.spyOn(performance, 'now'), jest.spyOn(Date, 'now')];
    for (const clock of clocks) clock.mockImplementation(() => nowMs);
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
          const store = openStore('memory:');
          const registry = new StoreClientRegistry(store, [SECRET], silentLog);
          const kept: string[] = [];
          const last = new Map<string, boolean>();
          for (const now of steps) {
            if (now.kind === 'change') {
              await put(store, now.clientId, now.enabled);
              last.set(now.clientId, now.enabled);
            } else if (now.kind === 'delete') {
              await store.delete(CLIENTS_KEY);
            } else if (kept.length > 0) {
              await store.set(CLIENTS_KEY, kept[now.index % kept.length]!, { ttlMs: DAY_MS });
            }
            const [sealed] = await store.getMany([CLIENTS_KEY]);
            if (sealed) kept.push(sealed);
            nowMs += 1_000;
            for (const [id, enabled] of last) {
              const found = await registry.find(id);
              if (found && found.enabled !== enabled) throw new Error(`${id} is as it was before`);
              if (!sealed && found) throw new Error(`${id} is nowhere, and found`);
              if (now.kind === 'change' && now.clientId === id && !found) throw new Error(`${id} is missing`);
            }
          }
          await store.close();
        }),
        { numRuns: 200 },
      );
    } finally {
      for (const clock of clocks) clock.mockRestore();
    }
  });
});

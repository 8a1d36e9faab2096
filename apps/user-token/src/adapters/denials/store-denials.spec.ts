import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/store';
import { DENIAL_JOURNAL_KEY, subjectKey, tokenDenialKey } from '@app/contract';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import { DenialsUnknown, type TokenFacts } from '../../core/tokens/denials.js';
import { StoreDenials, type StoreDenialsOptions } from './store-denials.js';

/** Longer than a replica takes to notice that it hears no others. */
const NOTICED_MS = 2_200;

const log = createLogger({ service: 'user-token', environment: 'test', level: 'silent' });

describe('denials of two replicas', () => {
  let redis: RedisServer;
  let replicas: { readonly store: SharedStore; readonly denials: StoreDenials }[];
  let denials: StoreDenials;
  let others: StoreDenials;

  beforeEach(async () => {
    redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    replicas = [];
    [denials, others] = [await replica(), await replica()];
  });

  afterEach(async () => {
    for (const { store, denials: ofReplica } of replicas) {
      await ofReplica.close();
      await store.close();
    }
    await redis.stop();
  });

  async function replica(more: Partial<StoreDenialsOptions> = {}): Promise<StoreDenials> {
    const store = openStore(redis.url, PATIENT);
    const options = {
      whenUnknown: 'refuse',
      whenAgeUnknown: 'refuse',
      subjectDenialSeconds: 3_600,
      clockToleranceSeconds: 0,
      maxLocal: 100_000,
      siblingsMs: 200,
      formerVersionsMs: 0,
      ...more,
    } as const;
    const started = new StoreDenials(store, options, log);
    replicas.push({ store, denials: started });
    await until(() => store.available);
    await Promise.race([started.settled, delay(500)]);
    return started;
  }

  async function end(ended: StoreDenials): Promise<void> {
    const [found] = replicas.splice(
      replicas.findIndex(({ denials: of }) => of === ended),
      1,
    );
    await ended.close();
    await found!.store.close();
  }

  const token = (tokenId: string, subject = 'auth0|ada'): TokenFacts => ({
    subject,
    tokenId,
    // After this Redis was found empty.
    issuedAtSeconds: Date.now() / 1000 + 60,
  });
  const deny = (by: StoreDenials, { subject, tokenId }: TokenFacts) =>
    by.deny(subject, [{ tokenId, expiresAtSeconds: Date.now() / 1000 + 3_600 }]);
  const laterBy = (seconds: number, denial: { issuedUntilSeconds: number; revokedAtMs: number }) => ({
    ...denial,
    issuedUntilSeconds: denial.issuedUntilSeconds + seconds,
    revokedAtMs: denial.revokedAtMs + 1000 * seconds,
  });
  const deniedAt = async (by: StoreDenials, facts: TokenFacts) => (await by.status(facts)).denied;
  async function redisDies(): Promise<void> {
    await redis.kill();
    await until(() => replicas.every(({ store }) => !store.available));
  }
  /** Cuts the subscriptions of all replicas for good; everything else works. */
  async function subscriptionsDrop(): Promise<void> {
    await redis.cli('ACL', 'SETUSER', 'default', '-subscribe');
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await delay(50);
  }

  it.each([
    ['older in Redis than in a copy', -30],
    ['later in Redis than in a copy', 30],
  ])("of a user's whole access, %s: the later one counts everywhere", async (_title, laterBySeconds) => {
    const seen = token('any', 'auth0|everywhere');
    await denials.denySubject(seen.subject);
    const [key] = (await redis.cli('--scan', '--pattern', 'deny:v3:*:subject:*')).split('\n');
    const denial = JSON.parse(await redis.cli('GET', key!));
    const issuedUntilSeconds: number = denial.issuedUntilSeconds;
    const later = Math.max(issuedUntilSeconds + laterBySeconds, issuedUntilSeconds);
    await redis.cli('SET', key!, JSON.stringify(laterBy(laterBySeconds, denial)), 'EX', '3600');
    await redis.restart();
    await until(async () => JSON.parse(await redis.cli('GET', key!)).issuedUntilSeconds === later);
    expect(Number(await redis.cli('TTL', key!))).toBeGreaterThan(3_500);
    const fresh = await replica();
    for (const by of [denials, others, fresh]) {
      expect(await by.status({ ...seen, issuedAtSeconds: later })).toMatchObject({ denied: true });
      expect(await by.status({ ...seen, issuedAtSeconds: later + 1 })).toMatchObject({ denied: false });
    }
  });

  it('a late log-out everywhere does not shorten a later one', async () => {
    const seen = token('any', 'auth0|everywhere');
    await denials.denySubject(seen.subject);
    const [key] = (await redis.cli('--scan', '--pattern', 'deny:v3:*:subject:*')).split('\n');
    const denial = JSON.parse(await redis.cli('GET', key!));
    const later: number = denial.issuedUntilSeconds + 30;
    await redis.cli('SET', key!, JSON.stringify(laterBy(30, denial)), 'EX', '3600');
    const { epoch } = await denials.status({ ...seen, issuedAtSeconds: later + 1 });
    await others.denySubject(seen.subject);
    const fresh = await replica();
    expect(await deniedAt(fresh, { ...seen, issuedAtSeconds: later })).toBe(true);
    expect(await fresh.status({ ...seen, issuedAtSeconds: later + 1 })).not.toMatchObject({ epoch });
  });

  it('log-outs everywhere of one user at the same moment all succeed', async () => {
    const facts = { ...token('any', 'auth0|everywhere'), issuedAtSeconds: Date.now() / 1000 };
    const revoking = Array.from({ length: 20 }, (_, i) =>
      (i % 2 ? denials : others).denySubject(facts.subject),
    );
    await Promise.all(revoking);
    expect(await deniedAt(await replica(), facts)).toBe(true);
  });

  it('a replica that fills an empty Redis keeps the later denials of other processes', async () => {
    await others.close();
    const seen = token('any', 'auth0|everywhere');
    const expiresAtSeconds = Date.now() / 1000 + 3_600;
    const padding = Array.from({ length: 900 }, (_, i) => ({ tokenId: `padding-${i}`, expiresAtSeconds }));
    await denials.deny('auth0|padding', padding);
    // Written back last.
    await denials.denySubject(seen.subject);
    const [key] = (await redis.cli('--scan', '--pattern', 'deny:v3:*:subject:*')).split('\n');
    const denial = JSON.parse(await redis.cli('GET', key!));
    const later: number = denial.issuedUntilSeconds + 30;
    const flushAndSet = "redis.call('FLUSHALL') redis.call('SET', KEYS[1], ARGV[1], 'EX', 3600)";
    await redis.cli('EVAL', flushAndSet, '1', key!, JSON.stringify(laterBy(30, denial)));
    await until(
      async () =>
        (await redis.cli('EXISTS', tokenDenialKey(subjectKey('auth0|padding'), 'padding-899'))).trim() ===
        '1',
    );
    await until(async () => (await redis.cli('GET', 'generation:v1')).includes('/'), 10_000);
    await delay(100);
    expect(JSON.parse(await redis.cli('GET', key!)).issuedUntilSeconds).toBe(later);
    expect(await deniedAt(denials, { ...seen, issuedAtSeconds: later })).toBe(true);
  });

  it('an empty Redis without room for writes is filled as soon as it has some', async () => {
    await others.close();
    const ended = token('ended');
    await deny(denials, ended);
    await redis.cli('FLUSHALL');
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1');
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal');
    await delay(500);
    expect((await redis.cli('--scan', '--pattern', 'deny:v3:*')).trim()).toBe('');
    await redis.cli('CONFIG', 'SET', 'maxmemory', '0');
    await until(async () => (await redis.cli('GET', 'generation:v1')).includes('/'), 10_000);
    expect(await deniedAt(await replica(), ended)).toBe(true);
  });

  const calls = async (command: string) =>
    Number(
      new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(await redis.cli('INFO', 'commandstats'))?.[1] ?? 0,
    );

  it('a new replica reads all denials once, however many users log out meanwhile', async () => {
    const expiresAtSeconds = Date.now() / 1000 + 3_600;
    const padding = Array.from({ length: 10_000 }, (_, i) => ({ tokenId: `padding-${i}`, expiresAtSeconds }));
    await denials.deny('auth0|padding', padding);
    let going = true;
    const loggingOut = (async () => {
      for (let i = 0; going; i += 1) await deny(denials, token(`ended-${i}`, `auth0|user-${i}`));
    })();
    await replica();
    const before = await calls('scan');
    await delay(1_000);
    going = false;
    await loggingOut;
    // At most one more reading, a second later.
    expect((await calls('scan')) - before).toBeLessThan(50);
  });

  describe('while Redis is away as a whole', () => {
    it('a replica decides by its copy, which is complete, however long that takes', async () => {
      const [ended, valid] = [token('ended'), token('valid')];
      await deny(others, ended);
      await redisDies();
      for (const waitMs of [0, NOTICED_MS]) {
        await delay(waitMs);
        expect([await deniedAt(denials, ended), await deniedAt(denials, valid)]).toEqual([true, false]);
      }
    });
  });

  describe('after a time in which a replica heard no others', () => {
    it.each([
      ['without a question', 0],
      ['with questions about tokens', 1],
    ])('%s: it gives no verdict without Redis', async (_title, questions) => {
      const ended = token('ended');
      await subscriptionsDrop();
      await deny(others, ended);
      for (let i = 0; i < questions; i += 1) expect(await deniedAt(denials, ended)).toBe(true);
      if (questions === 0) await delay(NOTICED_MS);
      await redisDies();
      await delay(NOTICED_MS);
      await expect(denials.status(ended)).rejects.toThrow(DenialsUnknown);
    });

    it('it knows what it missed as soon as it hears them again', async () => {
      const [ended, valid] = [token('ended'), token('valid')];
      await subscriptionsDrop();
      await deny(others, ended);
      await delay(NOTICED_MS);
      await redis.cli('ACL', 'SETUSER', 'default', '+subscribe');
      await delay(500);
      await redisDies();
      expect([await deniedAt(denials, ended), await deniedAt(denials, valid)]).toEqual([true, false]);
    });

    describe('it reads what it missed', () => {
      const MANY = 2_000;
      /** A new connection sends one SCAN; the reading of all denials sends more. */
      const SCANS_OF_ALL = MANY / 500;

      beforeEach(async () => {
        const expiresAtSeconds = Date.now() / 1000 + 3_600;
        for (let i = 0; i < MANY; i += 500) {
          const tokens = Array.from({ length: 500 }, (_, j) => ({
            tokenId: `many-${i + j}`,
            expiresAtSeconds,
          }));
          await denials.deny('auth0|many', tokens);
        }
      });

      /** @returns whether the replicas read all denials, and whether one knows the missed ones without Redis */
      async function caughtUp(missed: number, meanwhile: () => Promise<unknown> = async () => undefined) {
        const ended = Array.from({ length: missed }, (_, i) => token(`missed-${i}`, `auth0|missed-${i}`));
        await subscriptionsDrop();
        for (const facts of ended) await deny(others, facts);
        await meanwhile();
        const [scans, reads] = [await calls('scan'), await calls('xrevrange')];
        await redis.cli('ACL', 'SETUSER', 'default', '+subscribe');
        await until(async () => (await calls('xrevrange')) >= reads + 2, 10_000);
        await delay(500);
        const readsAll = (await calls('scan')) - scans >= SCANS_OF_ALL;
        await redisDies();
        await delay(1_500);
        const known = [];
        for (const facts of ended) known.push(await deniedAt(denials, facts));
        expect(await deniedAt(denials, token('valid'))).toBe(false);
        return { readsAll, known: known.every(Boolean) };
      }

      it.each([
        ['nothing', 0],
        ['one denial', 1],
        ['more than one read of the journal answers', 250],
      ])('in the journal, without a SCAN: %s', async (_title, missed) => {
        expect(await caughtUp(missed)).toEqual({ readsAll: false, known: true });
      });

      it('in the journal, when all of its connections were cut', async () => {
        const reads = await calls('xrevrange');
        const scans = await calls('scan');
        // Each replica checks its right to read the journal, and reads it.
        const gapsEnded = until(async () => (await calls('xrevrange')) >= reads + 4, 20_000);
        await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal');
        await gapsEnded;
        await delay(500);
        expect((await calls('scan')) - scans).toBeLessThan(replicas.length + SCANS_OF_ALL);
        await redisDies();
        await delay(1_500);
        expect(await deniedAt(denials, token('valid'))).toBe(false);
        expect(await deniedAt(denials, token('many-7', 'auth0|many'))).toBe(true);
      });

      it.each([
        ['has lost it', () => redis.cli('XTRIM', DENIAL_JOURNAL_KEY, 'MAXLEN', '2')],
        ['was deleted', () => redis.cli('DEL', DENIAL_JOURNAL_KEY)],
        ['holds what it cannot read', () => redis.cli('XADD', DENIAL_JOURNAL_KEY, '*', 'value', '{}')],
      ])('among all denials, where the journal %s', async (_title, meanwhile) => {
        expect(await caughtUp(3, meanwhile)).toEqual({ readsAll: true, known: true });
      });

      it('among all denials, as long as user-tokens of versions without a journal may run', async () => {
        await end(denials);
        denials = await replica({ formerVersionsMs: 60_000 });
        const of = subjectKey('auth0|former');
        const denial = { subjectKey: of, tokenId: 'former', expiresAtSeconds: Date.now() / 1000 + 3_600 };
        const byFormerVersion = () =>
          redis.cli('SET', tokenDenialKey(of, 'former'), JSON.stringify(denial), 'EX', '3600');
        expect((await caughtUp(1, byFormerVersion)).known).toBe(true);
        expect(await deniedAt(denials, token('former', 'auth0|former'))).toBe(true);
      });
    });

    it('since its start: it gives no verdict without Redis', async () => {
      await subscriptionsDrop();
      const deaf = await replica();
      await deny(others, token('ended'));
      await redisDies();
      await expect(deaf.status(token('ended'))).rejects.toThrow(DenialsUnknown);
    });

    it('of a moment: the absence of Redis costs no verdict', async () => {
      await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await redisDies();
      expect(await deniedAt(denials, token('valid'))).toBe(false);
    });
  });
});

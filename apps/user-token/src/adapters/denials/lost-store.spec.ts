import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/store';
import { GENERATION_KEY, parseGeneration } from '@app/contract';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import { DenialsUnknown, type TokenFacts } from '../../core/tokens/denials.js';
import { StoreDenials, type StoreDenialsOptions } from './store-denials.js';

const log = createLogger({ service: 'user-token', environment: 'test', level: 'silent' });
const PATIENCE_MS = 20_000;

describe('a Redis that lost data', () => {
  let redis: RedisServer;
  const replicas: { readonly store: SharedStore; readonly denials: StoreDenials }[] = [];

  beforeEach(async () => {
    redis = await RedisServer.start();
  });

  afterEach(async () => {
    for (const { denials } of [...replicas]) await end(denials);
    await redis.stop();
  });

  async function replica(options: Partial<StoreDenialsOptions> = {}): Promise<StoreDenials> {
    const store = openStore(redis.url, PATIENT);
    const denials = new StoreDenials(
      store,
      {
        whenUnknown: 'refuse',
        whenAgeUnknown: 'refuse',
        subjectDenialSeconds: 3_600,
        clockToleranceSeconds: 0,
        maxLocal: 100_000,
        siblingsMs: 200,
        formerVersionsMs: 0,
        ...options,
      },
      log,
    );
    replicas.push({ store, denials });
    await denials.settled;
    return denials;
  }

  async function end(denials: StoreDenials): Promise<void> {
    const index = replicas.findIndex((replica) => replica.denials === denials);
    const [replica] = replicas.splice(index, 1);
    await denials.close();
    await replica?.store.close();
  }

  const soon = () => Date.now() / 1000 + 3_600;
  const token = (tokenId: string, subject = `auth0|${tokenId}`): TokenFacts => ({
    subject,
    tokenId,
    // After this Redis was found empty.
    issuedAtSeconds: Date.now() / 1000 + 2,
  });
  /** Tries again, as a caller would: a busy machine may lose a connection. */
  const persistently = (write: () => Promise<void>) =>
    until(
      () =>
        write().then(
          () => true,
          () => false,
        ),
      PATIENCE_MS,
    );
  const deny = (by: StoreDenials, { subject, tokenId }: TokenFacts) =>
    persistently(() => by.deny(subject, [{ tokenId, expiresAtSeconds: soon() }]));
  const deniedAt = async (by: StoreDenials, facts: TokenFacts) => (await by.status(facts)).denied;
  /** Empty while there is none, or during the work on the store. */
  const generation = async () => {
    const value = (await redis.cli('GET', GENERATION_KEY)).trim();
    return parseGeneration(value) ? value : '';
  };
  const cacheable = async (by: StoreDenials, facts: TokenFacts) => (await by.status(facts)).epoch !== null;
  const isSettled = (by: StoreDenials) =>
    until(() => cacheable(by, token('any')).catch(() => false), PATIENCE_MS);

  /** The data of the next start; later writes are lost. */
  const snapshot = () => redis.cli('SAVE');

  const losses: [string, () => Promise<unknown>][] = [
    ['by FLUSHALL', () => redis.cli('FLUSHALL')],
    ['by FLUSHDB', () => redis.cli('FLUSHDB')],
    ['by SWAPDB with an empty database', () => redis.cli('SWAPDB', '0', '1')],
    ['by a restart without data', () => redis.restart()],
    [
      'by a restart from an earlier snapshot',
      async () => {
        await redis.restart();
        expect(await redis.cli('EXISTS', 'of-before')).toBe('1');
      },
    ],
    ['of its generation', () => redis.cli('DEL', GENERATION_KEY)],
    ['of its generation, now a value without an owner', () => redis.cli('SET', GENERATION_KEY, 'garbage')],
  ];

  it.each(losses)(
    '%s: replicas write all denials back, then give it a new generation',
    async (title, lose) => {
      const denials = await replica();
      const early = token('early');
      await deny(denials, early);
      if (title.includes('snapshot')) {
        await redis.cli('SET', 'of-before', 'here');
        await snapshot();
      }
      const late = token('late');
      await deny(denials, late);
      await denials.denySubject('auth0|everywhere');
      const before = await generation();
      await lose();
      await until(
        async () => ![before, '', 'garbage'].includes(await generation().catch(() => '')),
        PATIENCE_MS,
      );
      await end(denials);
      // Knows nothing but what Redis holds.
      const fresh = await replica();
      expect([await deniedAt(fresh, early), await deniedAt(fresh, late)]).toEqual([true, true]);
      const everywhere = { ...token('any', 'auth0|everywhere'), issuedAtSeconds: Date.now() / 1000 - 60 };
      expect(await deniedAt(fresh, everywhere)).toBe(true);
      // A busy machine may lose the connection once more.
      await isSettled(fresh);
      expect(await deniedAt(fresh, token('other'))).toBe(false);
    },
  );

  it('and has an earlier generation of the same server: it gets a new one', async () => {
    const denials = await replica();
    const before = await generation();
    await redis.cli('DEL', GENERATION_KEY);
    await until(async () => !['', before].includes(await generation()), PATIENCE_MS);
    await isSettled(denials);
    const ended = token('ended');
    await deny(denials, ended);
    await redis.cli('FLUSHALL');
    await redis.cli('SET', GENERATION_KEY, before);
    await until(async () => !['', before].includes(await generation()), PATIENCE_MS);
    await end(denials);
    expect(await deniedAt(await replica(), ended)).toBe(true);
  });

  it('and is full: revoked tokens stay revoked, no verdict may be cached, and valid tokens keep theirs', async () => {
    const denials = await replica();
    await redis.cli('SET', 'of-before', 'here');
    await snapshot();
    const ended = token('ended');
    await deny(denials, ended);
    await redis.restart(['--maxmemory', '1']);
    await until(() => replicas.every(({ store }) => store.available), PATIENCE_MS);
    for (let i = 0; i < 20; i += 1) {
      expect(await denials.status(ended)).toEqual({ denied: true, epoch: null });
      expect(await denials.status(token('valid'))).toMatchObject({ denied: false, epoch: null });
      await delay(100);
    }
    await redis.cli('CONFIG', 'SET', 'maxmemory', '0');
    await isSettled(denials);
    await end(denials);
    expect(await deniedAt(await replica(), ended)).toBe(true);
  });

  it('no verdict may be cached until 5,000 lost denials are written back', async () => {
    const denials = await replica();
    const padding = Array.from({ length: 50 }, (_, of) => {
      const tokens = Array.from({ length: 100 }, (_, i) => ({
        tokenId: `padding-${of}-${i}`,
        expiresAtSeconds: soon(),
      }));
      return persistently(() => denials.deny(`auth0|padding-${of}`, tokens));
    });
    await Promise.all(padding);
    await redis.cli('FLUSHALL');
    await until(async () => {
      const may = await cacheable(denials, token('any'));
      if (may)
        expect(Number((await redis.cli('--scan', '--pattern', 'deny:v3:*:token:*')).split('\n').length)).toBe(
          5_000,
        );
      return may;
    }, PATIENCE_MS);
  });

  it('a new replica leaves it to those that know more', async () => {
    const knowing = await replica();
    const ended = token('ended');
    await deny(knowing, ended);
    await redis.cli('FLUSHALL');
    const fresh = await replica({ siblingsMs: PATIENCE_MS });
    expect(await deniedAt(fresh, ended)).toBe(true);
    expect(
      await deniedAt(fresh, { ...token('valid'), issuedAtSeconds: Date.now() / 1000 - 600 }).catch(String),
    ).toMatch(/not known/);
  });

  it('a late replica that knows more restores the standing of earlier tokens', async () => {
    const knowing = await replica();
    const ended = token('ended');
    await deny(knowing, ended);
    await redis.restart();
    await redis.cli('CLIENT', 'PAUSE', '600', 'WRITE');
    const fresh = await replica({ siblingsMs: 0 });
    await isSettled(knowing);
    await isSettled(fresh);
    const knownSinceSeconds = parseGeneration(await generation())!.knownSinceSeconds;
    expect(knownSinceSeconds).toBeLessThanOrEqual(Math.floor(Date.now() / 1000) + 1);
    expect(await deniedAt(fresh, ended)).toBe(true);
  });

  it('and the copy is too small for its denials: earlier tokens have no verdict, whatever is left', async () => {
    const denials = await replica({ maxLocal: 1_000 });
    await delay(1_100);
    // After this Redis was found empty, and before its loss.
    const first = { ...token('ended-0'), issuedAtSeconds: Date.now() / 1000 };
    const expiresAtSeconds = soon();
    for (let i = 0; i < 12; i += 1) {
      const tokens = Array.from({ length: 100 }, (_, j) => ({
        tokenId: `ended-${100 * i + j}`,
        expiresAtSeconds,
      }));
      await persistently(() => denials.deny('auth0|ended-0', tokens));
    }
    expect(await deniedAt(denials, first)).toBe(true);
    await redis.cli('FLUSHALL');
    const untilMs = performance.now() + 1_500;
    while (performance.now() < untilMs) await expect(denials.status(first)).rejects.toThrow(DenialsUnknown);
  });

  describe('and no replica is left that knew its data', () => {
    const ofBefore = (tokenId: string) => ({ ...token(tokenId), issuedAtSeconds: Date.now() / 1000 - 60 });

    it.each([
      ['flushed', () => redis.cli('FLUSHALL')],
      ['restarted without its data', () => redis.restart()],
    ])('%s: earlier tokens have no verdict, later ones have', async (_title, lose) => {
      const denials = await replica();
      await deny(denials, token('ended'));
      await end(denials);
      await lose();
      const fresh = await replica();
      await expect(fresh.status(ofBefore('ended'))).rejects.toThrow(DenialsUnknown);
      await expect(fresh.status(ofBefore('valid'))).rejects.toThrow(DenialsUnknown);
      await isSettled(fresh);
      expect(await deniedAt(fresh, token('new'))).toBe(false);
    });

    it('earlier tokens pass with DENIALS_UNKNOWN=accept', async () => {
      const fresh = await replica({ whenUnknown: 'accept' });
      expect(await deniedAt(fresh, ofBefore('any'))).toBe(false);
    });

    it.each([
      ['no verdict', 'refuse', DenialsUnknown],
      ['a good one with OPAQUE_UNKNOWN_AGE=accept', 'accept', undefined],
    ] as const)('an opaque token, of unknown age, has %s', async (_title, whenAgeUnknown, expected) => {
      const fresh = await replica({ whenAgeUnknown });
      const asking = fresh.status({ ...token('opaque'), issuedAtSeconds: 0 });
      if (expected) await expect(asking).rejects.toThrow(expected);
      else expect(await asking).toMatchObject({ denied: false });
      await fresh.denySubject('auth0|opaque');
      expect(await deniedAt(fresh, { ...token('opaque'), issuedAtSeconds: 0 })).toBe(true);
    });

    it('a token granted just now passes although its issuer is behind, and once admitted, at others too', async () => {
      const fresh = await replica();
      const facts = ofBefore('granted');
      expect(await fresh.status({ ...facts, grantedNow: true })).toMatchObject({
        denied: false,
        toBeAdmitted: true,
      });
      await expect(fresh.status(facts)).rejects.toThrow(DenialsUnknown);
      await fresh.admit([{ tokenId: 'granted', expiresAtSeconds: soon() }], undefined);
      const other = await replica();
      for (const by of [fresh, other]) expect(await deniedAt(by, facts)).toBe(false);
      await deny(other, facts);
      for (const by of [fresh, other]) expect(await deniedAt(by, facts)).toBe(true);
    });

    it('earlier tokens stay of unknown standing at later replicas', async () => {
      await replica();
      const later = await replica();
      await expect(later.status(ofBefore('any'))).rejects.toThrow(DenialsUnknown);
    });
  });

  it('restarted with all its data: a new replica decides by the data', async () => {
    await redis.stop();
    redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    const denials = await replica();
    await deny(denials, token('ended'));
    await end(denials);
    await delay(1_100);
    await redis.restart();
    const fresh = await replica();
    expect(await deniedAt(fresh, token('ended'))).toBe(true);
    await isSettled(fresh);
  });

  it('a replica that heard no others at the time does not vouch for it', async () => {
    const [deaf, hearing] = [await replica(), await replica()];
    await isSettled(deaf);
    await redis.cli('ACL', 'SETUSER', 'default', '-subscribe');
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await delay(200);
    await deny(hearing, token('ended'));
    await delay(1_500);
    await end(hearing);
    await redis.cli('FLUSHALL');
    await redis.cli('ACL', 'SETUSER', 'default', '+subscribe');
    await until(async () => (await generation()) !== '', PATIENCE_MS);
    await expect(deaf.status({ ...token('ended'), issuedAtSeconds: Date.now() / 1000 - 60 })).rejects.toThrow(
      DenialsUnknown,
    );
  });
});

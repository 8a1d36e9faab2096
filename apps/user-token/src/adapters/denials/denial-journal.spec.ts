import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@app/ops';
import { DENIAL_JOURNAL_KEY } from '@app/contract';
import fc from 'fast-check';
import { MovableRedis, MovableStore, turn } from '../../../../../test/model/movable-store.js';
import { DenialCopy } from './denial-copy.js';
import { DenialJournal, JOURNAL_LENGTH } from './denial-journal.js';
import { StoreDenials } from './store-denials.js';

const HOUR_MS = 3_600_000;

describe('the journal of the denials', () => {
  let redis: MovableRedis;
  let store: MovableStore;
  let copy: DenialCopy;
  let entries: number;

  beforeEach(() => {
    redis = new MovableRedis();
    store = new MovableStore(redis);
    copy = new DenialCopy({ max: 100_000, nowMs: () => redis.nowMs });
    entries = 0;
  });

  const known = (tokenIds: number[]) => tokenIds.filter((i) => copy.deniesToken(`token-${i}`));

  async function append(count: number): Promise<void> {
    const expiresAtSeconds = redis.nowMs / 1000 + 600;
    const values = Array.from({ length: count }, () => {
      entries += 1;
      const denial = { subjectKey: 'ada', tokenId: `token-${entries}`, expiresAtSeconds };
      return JSON.stringify({ entryId: `entry-${entries}`, denials: [denial] });
    });
    await store.writeAll(
      values.map((value) => ({ op: 'append', key: DENIAL_JOURNAL_KEY, value, max: JOURNAL_LENGTH })),
    );
  }

  it.each([
    ['none', 5, 5],
    ['one', 5, 4],
    ['as many as one read answers', 201, 101],
    ['one more', 202, 101],
    ['all but the first', 205, 1],
    ['all since it was empty', 200, 0],
  ])('tells which denials came after a position: %s', async (_title, count, after) => {
    const journal = new DenialJournal(store, 0);
    await journal.moveToEnd();
    if (after > 0) {
      await append(after);
      await journal.moveToEnd();
    }
    const { position } = journal;
    await append(count - after);
    expect(await journal.readInto(copy, position)).toBe(true);
    const all = Array.from({ length: count }, (_, i) => i + 1);
    expect(known(all)).toEqual(all.slice(after));
  });

  it.each<[string, (journal: DenialJournal) => Promise<string | undefined>]>([
    ['an unknown position', async () => undefined],
    ['an entry that is no longer kept', async () => 'entry-0'],
    [
      'its start, once entries may have been dropped',
      async (journal) => {
        await journal.moveToEnd();
        const { position } = journal;
        await append(1);
        const [entry] = await store.lastEntries(DENIAL_JOURNAL_KEY, { max: 1 });
        const full = Array.from({ length: JOURNAL_LENGTH }, (_, i) => ({ ...entry, id: String(i) }));
        redis.data.set(DENIAL_JOURNAL_KEY, JSON.stringify(full));
        return position;
      },
    ],
    [
      'an entry before one that it cannot read',
      async (journal) => {
        await append(1);
        await journal.moveToEnd();
        const write = { op: 'append', key: DENIAL_JOURNAL_KEY, value: 'not JSON', max: 10 } as const;
        await store.writeAll([write]);
        return journal.position;
      },
    ],
    [
      'any entry while the store refuses',
      async (journal) => {
        await append(1);
        await journal.moveToEnd();
        redis.kill();
        return journal.position;
      },
    ],
  ])('does not reach back to %s', async (_title, positionOf) => {
    const journal = new DenialJournal(store, 0);
    const position = await positionOf(journal);
    expect(await journal.readInto(copy, position)).toBe(false);
  });

  it('has its position at the last entry that it read or heard', async () => {
    const journal = new DenialJournal(store, 0);
    await append(3);
    await journal.moveToEnd();
    expect(journal.position).toBe('entry-3');
    journal.heard('entry-4');
    journal.heard(undefined);
    expect(journal.position).toBe('entry-4');
  });

  it('proves nothing for an hour after the start, and after each announcement of a version without a journal', async () => {
    const now = performance.now.bind(performance);
    let aheadMs = 0;
    performance.now = () => now() + aheadMs;
    try {
      const journal = new DenialJournal(store, HOUR_MS);
      await append(1);
      await journal.moveToEnd();
      const isProof = async (atMs: number) => {
        aheadMs = atMs;
        return journal.readInto(copy, journal.position);
      };
      expect(await isProof(0.9 * HOUR_MS)).toBe(false);
      expect(await isProof(1.1 * HOUR_MS)).toBe(true);
      journal.heard(undefined);
      expect(await isProof(2 * HOUR_MS)).toBe(false);
      expect(await isProof(2.2 * HOUR_MS)).toBe(true);
    } finally {
      performance.now = now;
    }
  });
});

it('a replica knows what it missed without reading all, however often and long it heard nothing', async () => {
  const log = createLogger({ service: 'user-token', environment: 'test', level: 'silent' });
  const options = {
    whenUnknown: 'refuse',
    whenAgeUnknown: 'refuse',
    subjectDenialSeconds: 3_600,
    clockToleranceSeconds: 0,
    maxLocal: 1_000,
    siblingsMs: 0,
    formerVersionsMs: 0,
  } as const;
  const step = fc.constantFrom('deny' as const, 'deafen' as const, 'hear' as const, 'turns' as const);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 40 }), async (steps) => {
      const redis = new MovableRedis();
      const [store, other] = [new MovableStore(redis), new MovableStore(redis)];
      const [denials, others] = [
        new StoreDenials(store, options, log),
        new StoreDenials(other, options, log),
      ];
      await Promise.all([denials.settled, others.settled]);
      const facts = (tokenId: string) => ({
        subject: `auth0|${tokenId}`,
        tokenId,
        issuedAtSeconds: redis.nowMs / 1000 + 10,
      });
      const expiresAtSeconds = redis.nowMs / 1000 + 600;
      const scansBefore = store.scans;
      let ended = 0;
      for (const name of [...steps, 'hear'] as const) {
        if (name === 'deny') {
          const { subject, tokenId } = facts(`ended-${ended}`);
          ended += 1;
          // Not waited for, so that it crosses with the next steps.
          void others.deny(subject, [{ tokenId, expiresAtSeconds }]);
        } else if (name === 'deafen') store.deafen();
        else if (name === 'hear') store.hearAgain();
        else for (let i = 0; i < 7; i += 1) await turn();
      }
      // Longer than the pause before it is read again, after a loss meanwhile.
      await delay(120);
      for (let i = 0; i < 100; i += 1) await turn();
      redis.kill();
      const deniedNow = await Promise.all(
        Array.from({ length: ended }, (_, i) => denials.status(facts(`ended-${i}`))),
      );
      expect(deniedNow.map(({ denied }) => denied)).toEqual(Array<boolean>(ended).fill(true));
      expect(store.scans).toBe(scansBefore);
      await Promise.all([denials.close(), others.close()]);
    }),
    { numRuns: 100, seed: 7 },
  );
});

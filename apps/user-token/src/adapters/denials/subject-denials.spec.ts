import { createLogger } from '@app/ops';
import { openStore, type SharedStore } from '@app/store';
import { RedisServer } from '@app/test-support/redis/redis-server';
import { PATIENT } from '@app/test-support/timing/patient';
import { until } from '@app/test-support/timing/until';
import type { TokenFacts } from '../../core/tokens/denials.js';
import { StoreDenials } from './store-denials.js';

const log = createLogger({ service: 'user-token', environment: 'test', level: 'silent' });

describe('a denial of a whole subject', () => {
  let redis: RedisServer;
  let stores: SharedStore[];
  let denials: StoreDenials;
  let other: StoreDenials;
  const subject = 'auth0|ada';

  beforeEach(async () => {
    redis = await RedisServer.start();
    stores = [openStore(redis.url, PATIENT), openStore(redis.url, PATIENT)];
    [denials, other] = stores.map(
      (store) =>
        new StoreDenials(
          store,
          {
            whenUnknown: 'accept',
            whenAgeUnknown: 'refuse',
            subjectDenialSeconds: 3_600,
            clockToleranceSeconds: 2,
            maxLocal: 1_000,
            siblingsMs: 0,
            formerVersionsMs: 0,
          },
          log,
        ),
    ) as [StoreDenials, StoreDenials];
    await Promise.all([denials.settled, other.settled]);
  });

  afterEach(async () => {
    await Promise.all([denials, other].map((each) => each.close()));
    await Promise.all(stores.map((store) => store.close()));
    await redis.stop();
  });

  const facts = (tokenId: string, issuedAtSeconds = Date.now() / 1000): TokenFacts => ({
    subject,
    tokenId,
    issuedAtSeconds,
  });
  const admitted = (tokenId: string) => [{ tokenId, expiresAtSeconds: Date.now() / 1000 + 600 }];

  it('exempts a token that was admitted after it; the next denial within the same second does not', async () => {
    await denials.denySubject(subject);
    const first = await denials.status(facts('new'));
    expect(first.denied).toBe(true);
    await denials.admit(admitted('new'), first.subjectDenial);
    for (const by of [denials, other]) {
      expect((await by.status(facts('new'))).denied).toBe(false);
      expect((await by.status(facts('old'))).denied).toBe(true);
    }
    await other.denySubject(subject);
    for (const by of [denials, other]) expect((await by.status(facts('new'))).denied).toBe(true);
  });

  it('holds while Redis is away, and so do admissions', async () => {
    await denials.denySubject(subject);
    const { subjectDenial } = await other.status(facts('new'));
    await other.admit(admitted('new'), subjectDenial);
    await until(async () => !(await denials.status(facts('new'))).denied);
    await redis.kill();
    await until(() => stores.every(({ available }) => !available));
    for (const by of [denials, other]) {
      expect((await by.status(facts('new'))).denied).toBe(false);
      expect((await by.status(facts('old'))).denied).toBe(true);
    }
  });

  it.each([
    ['behind', -30_000],
    ['behind by an hour', -3_600_000],
    ['ahead by an hour', 3_600_000],
  ])("goes by the store's clock when that of the replica is %s", async (_title, aheadMs) => {
    const now = Date.now;
    const seconds = () => now() / 1000;
    Date.now = () => now() + aheadMs;
    try {
      await denials.denySubject(subject);
    } finally {
      Date.now = now;
    }
    for (const by of [denials, other]) {
      expect((await by.status(facts('of now', seconds()))).denied).toBe(true);
      expect((await by.status(facts('of soon', seconds() + 10))).denied).toBe(false);
    }
  });

  it("that reaches an hour ahead, after an error of the store's clock, is corrected", async () => {
    await denials.denySubject(subject);
    const key = (await redis.cli('--scan', '--pattern', 'deny:v3:*:subject:*')).trim();
    const denial = JSON.parse(await redis.cli('GET', key));
    const wrong = {
      ...denial,
      issuedUntilSeconds: denial.issuedUntilSeconds + 3_600,
      revokedAtMs: denial.revokedAtMs + 3_600_000,
    };
    await redis.cli('SET', key, JSON.stringify(wrong), 'EX', '7200');
    expect((await other.status(facts('old', Date.now() / 1000 - 5))).denied).toBe(true);
    await until(
      async () => JSON.parse(await redis.cli('GET', key)).issuedUntilSeconds < wrong.issuedUntilSeconds,
    );
    for (const by of [denials, other]) {
      expect((await by.status(facts('old', Date.now() / 1000 - 5))).denied).toBe(true);
      expect((await by.status(facts('later', Date.now() / 1000 + 10))).denied).toBe(false);
    }
    await denials.denySubject(subject);
    expect((await other.status(facts('later', Date.now() / 1000))).denied).toBe(true);
  });

  it('of a token lasts until the end of the token, whatever the clock of the replica says', async () => {
    const now = Date.now;
    const expiresAtSeconds = now() / 1000 + 28;
    Date.now = () => now() + 3_600_000;
    try {
      await denials.deny(subject, [{ tokenId: 'short', expiresAtSeconds }]);
    } finally {
      Date.now = now;
    }
    for (const by of [denials, other]) expect((await by.status(facts('short'))).denied).toBe(true);
    await redis.kill();
    await until(() => stores.every(({ available }) => !available));
    for (const by of [denials, other]) expect((await by.status(facts('short'))).denied).toBe(true);
  });
});

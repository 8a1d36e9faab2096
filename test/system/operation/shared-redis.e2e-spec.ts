import { ada, Suite } from '@app/test-support/suite/suite';
import { until } from '@app/test-support/timing/until';

/** Two deployments that share a Redis; ada has a session in each. */
async function sharing(
  other: (first: Suite) => Readonly<Record<string, string>>,
  work: (first: Suite, second: Suite) => Promise<void>,
): Promise<void> {
  const first = await Suite.open();
  const second = await Suite.open({ REDIS_URL: first.own!.redis.url, ...other(first) });
  try {
    await work(first, second);
  } finally {
    await second.close();
    await first.close();
  }
}

describe('two deployments on one Redis', () => {
  it.each<[string, (first: Suite) => Readonly<Record<string, string>>]>([
    ['of two issuers', () => ({})],
    [
      'of one issuer, in separate databases',
      ({ issuer, own }) => ({ AUTH0_ISSUER_URL: issuer, REDIS_URL: `${own!.redis.url}/1` }),
    ],
  ])('%s: neither ends, lists or counts data of the other', async (_title, other) => {
    await sharing(other, async (first, second) => {
      const kept = await first.login(ada);
      const [ended, alsoEnded] = [await second.login(ada), await second.login(ada)];
      for (const [suite, token] of [
        [first, kept],
        [second, ended],
        [second, alsoEnded],
      ] as const)
        await until(async () => (await suite.venue('/venues', { token })).status === 200);
      const listed = await first.gateway('/auth/sessions', { token: kept });
      expect(listed.body.sessions).toHaveLength(1);

      expect((await second.gateway('/auth/logout-all', { method: 'POST', token: ended })).status).toBe(204);
      for (const token of [ended, alsoEnded])
        expect((await second.venue('/venues', { token })).status).toBe(401);
      for (let i = 0; i < 20; i += 1)
        expect((await first.venue('/venues', { token: kept })).status).toBe(200);
      await first.refresh(kept);

      const wrong = { username: ada.username, password: 'wrong' };
      let status = 0;
      for (let i = 0; i < 12; i += 1) ({ status } = await second.tryLogin(wrong));
      expect(status).toBe(429);
      await first.login(ada);
    });
  });

  it('each key and each message has the name of its deployment', async () => {
    const suite = await Suite.open();
    const { redis } = suite.own!;
    const token = await suite.login(ada);
    await until(async () => (await suite.venue('/venues', { token })).status === 200);
    await suite.refresh(token);
    const channels = (await redis.cli('PUBSUB', 'CHANNELS')).split('\n').filter(Boolean);
    const keys = Object.keys(await redis.dump());
    await suite.close();
    expect(channels).toEqual([expect.stringMatching(/^local:[\w-]{8}:epoch:v1@0$/)]);
    expect(keys.length).toBeGreaterThan(5);
    expect(keys.filter((key) => !/^local:[\w-]{8}:/.test(key))).toEqual([]);
  });
});

import { decodeProtectedHeader } from 'jose';
import { Suite, ada } from '@app/test-support/suite/suite';

describe('signing keys that rotate under the whole suite', () => {
  let suite: Suite;

  beforeAll(async () => {
    suite = await Suite.open();
  });

  afterAll(async () => {
    await suite.close();
  });

  it('let tokens of the old and the new key in, and sessions go on', async () => {
    const { tenant } = suite.own!.running.identity!;
    const old = await suite.login(ada);
    const unseen = await suite.login(ada);
    expect((await suite.venue('/venues', { token: old })).status).toBe(200);

    await tenant.rotateSigningKey();
    const fresh = await suite.login(ada);
    const refreshed = await suite.refresh(old);
    const [next, previous] = tenant.keyIds;
    expect([old, unseen, fresh, refreshed].map((token) => decodeProtectedHeader(token).kid)).toEqual([
      previous,
      previous,
      next,
      next,
    ]);
    for (const token of [unseen, fresh, refreshed]) {
      expect((await suite.venue('/venues', { token })).status).toBe(200);
    }
  });
});

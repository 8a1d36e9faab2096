import { Test, type TestingModule } from '@nestjs/testing';
import { openStore, type SharedStore } from '@app/store';
import { EPOCH_CHANNEL, epochKey, subjectKey } from '@app/contract';
import { asToken } from '@app/test-support/issuer/as-token';
import { giveGeneration } from '@app/test-support/redis/store-generation';
import { active, startFakeUserToken, type FakeUserToken } from '@app/test-support/suite/fake-user-token';
import { until } from '@app/test-support/timing/until';
import { AuthModule } from '../auth.module.js';
import { RevocationWatch, type Objection } from './revocation-watch.js';

const REQUIREMENT = { audience: ['https://api.test/'], scopes: ['read:venues'], permissions: [] };

describe('a watch without HTTP', () => {
  let userToken: FakeUserToken;
  let store: SharedStore;
  let module: TestingModule;
  let watch: RevocationWatch;
  let objections: Objection[];
  let serial = 0;

  beforeEach(async () => {
    objections = [];
    userToken = await startFakeUserToken();
    userToken.behave(() => active());
    store = openStore('memory:');
    await giveGeneration(store);
    const auth = AuthModule.forRoot({
      audience: REQUIREMENT.audience,
      userToken: { urls: userToken.url },
      store,
      cache: { secret: 'a-secret-that-seals-the-token-cache-entries' },
    });
    module = await Test.createTestingModule({ imports: [auth] }).compile();
    watch = module.get(RevocationWatch);
  });

  afterEach(async () => {
    await module.close();
    await store.close();
    await userToken.stop();
  });

  const start = () =>
    watch.watch(asToken(`opaque-token-of-a-socket-${(serial += 1)}`), REQUIREMENT, (objection) => {
      objections.push(objection);
    });
  const asked = () => until(() => userToken.asked.length === 1);
  const revoke = (subject = 'auth0|ada', epoch = 'epoch-2') =>
    store.writeAll([
      { op: 'set', key: epochKey(subject), value: epoch, ttlMs: 60_000 },
      {
        op: 'publish',
        channel: EPOCH_CHANNEL,
        message: JSON.stringify({ subjectKey: subjectKey(subject), epoch }),
      },
    ]);

  it('ends with the refusal that a new request would get, once', async () => {
    start();
    await asked();
    userToken.behave(() => ({ active: false, reason: 'revoked' }));
    await revoke();
    await until(() => objections.length > 0);
    await revoke('auth0|ada', 'epoch-3');
    expect(objections).toEqual([
      expect.objectContaining({ allowed: false, error: 'invalid_token', reason: 'revoked' }),
    ]);
    expect(watch.size).toBe(0);
  });

  it('ends with what would be enough, where the principal has lost it', async () => {
    start();
    await asked();
    userToken.behave(() => active({ scopes: [] }, 'epoch-2'));
    await revoke();
    await until(() => objections.length > 0);
    expect(objections).toMatchObject([{ error: 'insufficient_scope', scope: ['read:venues'] }]);
  });

  it('tells nothing after its caller has ended it', async () => {
    const end = start();
    await asked();
    end();
    expect(watch.size).toBe(0);
    userToken.behave(() => ({ active: false, reason: 'revoked' }));
    await revoke();
    expect(objections).toEqual([]);
  });

  it('ends without a verdict when the application stops, and at once after that', async () => {
    start();
    await asked();
    watch.beforeApplicationShutdown();
    start();
    expect(objections).toEqual(
      [0, 1].map(() => expect.objectContaining({ error: 'temporarily_unavailable' })),
    );
    expect(watch.size).toBe(0);
  });
});

import { setTimeout as delay } from 'node:timers/promises';
import { createLogger } from '@app/ops';
import { MovableRedis, MovableStore, turn } from '../../../../../test/model/movable-store.js';
import { StoreDenials } from './store-denials.js';

const log = createLogger({ service: 'user-token', environment: 'test', level: 'silent' });

it('a gap that ended while Redis was slow is closed: a later absence of Redis costs no verdict', async () => {
  const redis = new MovableRedis();
  const store = new MovableStore(redis);
  const denials = new StoreDenials(
    store,
    {
      whenUnknown: 'refuse',
      whenAgeUnknown: 'refuse',
      subjectDenialSeconds: 3_600,
      clockToleranceSeconds: 0,
      maxLocal: 100,
      siblingsMs: 0,
      formerVersionsMs: 0,
    },
    log,
  );
  await denials.settled;
  store.disconnected();
  store.isSlow = true;
  store.connected();
  for (let i = 0; i < 20; i += 1) await turn();
  store.isSlow = false;
  // The next check comes within a second.
  await delay(2_500);
  redis.kill();
  // Longer than the tolerated gap.
  await delay(1_200);
  const issuedAtSeconds = redis.nowMs / 1000 + 10;
  const facts = { subject: 'auth0|ada', tokenId: 'any', issuedAtSeconds };
  expect(await denials.status(facts)).toMatchObject({ denied: false });
  await denials.close();
});

import { setTimeout as delay } from 'node:timers/promises';
import { MachinePauses } from './machine-pauses.js';
import { until } from './until.js';

describe('MachinePauses', () => {
  let machine: MachinePauses;

  beforeAll(async () => {
    machine = await MachinePauses.watch();
    await delay(200);
  });

  afterAll(() => machine.stop());

  const block = (forMs: number) => {
    const untilMs = performance.now() + forMs;
    while (performance.now() < untilMs);
  };

  it('takes what a pause cost off what something took', async () => {
    const startedAtMs = performance.now();
    const waiting = delay(300).then(() => machine.tookMs(startedAtMs));
    await delay(20);
    block(600);
    const tookMs = await waiting;
    expect(performance.now() - startedAtMs).toBeGreaterThan(600);
    expect(tookMs).toBeLessThan(300);
  });

  it('leaves a wait that is no fault of the machine as long as it is', async () => {
    // The machine may stand still just then, but not every time.
    await until(async () => {
      const startedAtMs = performance.now();
      await delay(300);
      const wallMs = performance.now() - startedAtMs;
      return machine.tookMs(startedAtMs, startedAtMs + wallMs) > wallMs - 20;
    });
  });
});

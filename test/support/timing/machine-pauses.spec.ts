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

  it('subtracts a pause from a measured time', async () => {
    const startedAtMs = performance.now();
    process.kill(machine.pid, 'SIGSTOP');
    await delay(600);
    process.kill(machine.pid, 'SIGCONT');
    expect(performance.now() - startedAtMs).toBeGreaterThan(590);
    expect(machine.tookMs(startedAtMs)).toBeLessThan(300);
    await delay(50);
    expect(machine.tookMs(startedAtMs)).toBeLessThan(350);
  });

  it('does not count computing of this process as a pause', async () => {
    const startedAtMs = performance.now();
    const before = process.cpuUsage();
    while (process.cpuUsage(before).user < 600_000);
    expect(machine.tookMs(startedAtMs)).toBeGreaterThan(400);
    await delay(50);
    expect(machine.tookMs(startedAtMs)).toBeGreaterThan(400);
  });

  it('outlives a long pause', async () => {
    block(6_000);
    await delay(100);
    const startedAtMs = performance.now();
    await until(() => machine.tookMs(startedAtMs) > 100);
  });

  it('subtracts nothing from a wait without a pause', async () => {
    // The machine may stand still at this moment, but not every time.
    await until(async () => {
      const startedAtMs = performance.now();
      await delay(300);
      const wallMs = performance.now() - startedAtMs;
      return machine.tookMs(startedAtMs, startedAtMs + wallMs) > wallMs - 20;
    });
  });
});

import { MeasuredClock } from './index.js';

const NOON_MS = Date.UTC(2025, 0, 1, 12);

describe('MeasuredClock', () => {
  let wallMs: number;
  let monotonicMs: number;
  let clock: MeasuredClock;

  beforeEach(() => {
    [wallMs, monotonicMs] = [NOON_MS, 5_000];
    clock = new MeasuredClock({ wallMs: () => wallMs, monotonicMs: () => monotonicMs });
  });

  const pass = (ms: number) => {
    wallMs += ms;
    monotonicMs += ms;
  };
  /** A question and its reply, from a process whose clock is this far ahead of the true time, which is our own. */
  const ask = (
    source: string,
    { aheadMs = 0, thereMs = 1, backMs = 1 }: { aheadMs?: number; thereMs?: number; backMs?: number },
  ) => {
    const sentAtMs = monotonicMs;
    pass(thereMs);
    const theirsMs = Math.floor(wallMs + aheadMs);
    pass(backMs);
    clock.read(source, { sentAtMs, receivedAtMs: monotonicMs, theirsMs });
  };

  it('is our own clock before the first reply', () => {
    expect([clock.skewMs, clock.uncertaintyMs, clock.nowMs()]).toEqual([undefined, undefined, NOON_MS]);
    expect(clock.nowSeconds()).toBe(NOON_MS / 1_000);
  });

  it.each([30_000, -30_000, 2_000, -500])('is theirs when that is %i ms from ours', (aheadMs) => {
    ask('a', { aheadMs });
    expect(clock.skewMs).toBeCloseTo(aheadMs, -1);
    expect(clock.nowMs()).toBeCloseTo(wallMs + aheadMs, -1);
    pass(60_000);
    expect(clock.nowMs()).toBeCloseTo(wallMs + aheadMs, -1);
  });

  it('is our own while the round trip leaves open whether the clocks differ', () => {
    ask('a', { aheadMs: 400, thereMs: 500, backMs: 500 });
    expect([clock.skewMs, clock.nowMs()]).toEqual([0, wallMs]);
  });

  it.each([
    ['there', { thereMs: 20_000, backMs: 1 }],
    ['back', { thereMs: 1, backMs: 20_000 }],
  ])('is not led astray by a reply whose way %s is slow', (_title, slow) => {
    ask('a', { aheadMs: 3_000 });
    ask('a', { aheadMs: 3_000, ...slow });
    expect(clock.skewMs).toBeCloseTo(3_000, -1);
    expect(clock.uncertaintyMs).toBeLessThan(5);
  });

  it('gets better with a faster reply', () => {
    ask('a', { aheadMs: 3_000, thereMs: 1, backMs: 999 });
    ask('a', { aheadMs: 3_000 });
    expect(clock.skewMs).toBeCloseTo(3_000, -1);
  });

  it('ignores a jump of our own clock', () => {
    ask('a', {});
    const trueMs = wallMs;
    for (const jumpMs of [3_600_000, -7_200_000]) {
      wallMs += jumpMs;
      expect(clock.nowMs()).toBeCloseTo(trueMs, -1);
      expect(clock.skewMs).toBeCloseTo(trueMs - wallMs, -1);
    }
  });

  it.each([60_000, -60_000])(
    'follows a clock of theirs that was set by %i ms with the next reply',
    (setMs) => {
      for (let i = 0; i < 20; i += 1) ask('a', {});
      ask('a', { aheadMs: setMs });
      expect(clock.skewMs).toBeCloseTo(setMs, -1);
    },
  );

  it('follows a clock that drifts', () => {
    for (let i = 0; i < 40; i += 1) {
      ask('a', { aheadMs: i * 4 });
      pass(1_000);
    }
    expect(clock.skewMs).toBeGreaterThan(100);
  });

  it('takes the middle clock when processes disagree, and of two the one ahead', () => {
    ask('a', { aheadMs: 0 });
    ask('b', { aheadMs: 30_000 });
    expect(clock.skewMs).toBeCloseTo(30_000, -1);
    ask('c', { aheadMs: 100 });
    expect(clock.skewMs).toBeCloseTo(100, -1);
  });

  it('forgets a process whose connection is lost, but not the last one', () => {
    ask('a', { aheadMs: 5_000 });
    ask('b', { aheadMs: 30_000 });
    clock.forget('b');
    expect(clock.skewMs).toBeCloseTo(5_000, -1);
    clock.forget('a');
    expect(clock.skewMs).toBeCloseTo(5_000, -1);
  });

  it.each([NaN, Infinity, -Infinity])('does not count %p as a time', (theirsMs) => {
    clock.read('a', { sentAtMs: 1, receivedAtMs: 2, theirsMs });
    expect([clock.skewMs, clock.nowMs()]).toEqual([undefined, NOON_MS]);
  });
});

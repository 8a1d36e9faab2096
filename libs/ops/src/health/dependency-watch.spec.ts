import { jest } from '@jest/globals';
import { DependencyWatch, type Findings } from './dependency-watch.js';

type Name = 'issuer' | 'client';
const WELL: Findings<Name> = { issuer: 'well', client: 'well' };
const WRONG_SECRET: Findings<Name> = { client: { detail: 'wrong secret', holdsBackNew: true } };
const OUTAGE: Findings<Name> = { issuer: { detail: 'no answer', holdsBackNew: false } };

describe('a watch on a dependency of a service', () => {
  let lines: string[];
  let found: Findings<Name> | Error;
  let looks: number;
  let watch: DependencyWatch<Name> | undefined;

  beforeEach(() => {
    jest.useFakeTimers();
    lines = [];
    looks = 0;
    found = WELL;
  });

  afterEach(() => {
    watch?.close();
    jest.useRealTimers();
  });

  const start = async (everyMs = 300_000) => {
    watch = new DependencyWatch<Name>({
      names: ['issuer', 'client'],
      look: async () => {
        looks += 1;
        if (found instanceof Error) throw found;
        return found;
      },
      everyMs,
      retryMs: 60_000,
      log: {
        info: (_fields, text) => void lines.push(`info ${text}`),
        warn: (_fields, text) => void lines.push(`warn ${text}`),
      },
    });
    await watch.settled(1_000);
    return watch;
  };
  const next = async (findings: Findings<Name> | Error) => {
    found = findings;
    const before = looks;
    for (let i = 0; looks === before && i < 100; i += 1) await jest.advanceTimersByTimeAsync(10_000);
    await jest.advanceTimersByTimeAsync(0);
  };

  it('reports a healthy dependency', async () => {
    const one = await start();
    expect([one.check('issuer'), one.check('client')]).toEqual([{ up: true }, { up: true }]);
    expect(lines).toEqual([]);
  });

  it('keeps traffic from a process whose settings were never right, until they are', async () => {
    found = { issuer: 'well', ...WRONG_SECRET };
    const one = await start();
    expect(one.check('client')).toEqual({ up: false, detail: 'wrong secret' });
    await next(WELL);
    expect(one.check('client')).toEqual({ up: true });
    expect(lines).toEqual(['warn wrong secret', 'info no longer: wrong secret']);
  });

  it('keeps traffic for a process that was well before, and still reports the fault', async () => {
    const one = await start();
    await next(WRONG_SECRET);
    expect(one.check('client')).toEqual({ up: true, degraded: true, detail: 'wrong secret' });
    expect(one.check('issuer')).toEqual({ up: true });
  });

  it('keeps traffic during an outage, even for a new process', async () => {
    found = OUTAGE;
    const one = await start();
    expect(one.check('issuer')).toEqual({ up: true, degraded: true, detail: 'no answer' });
    expect(one.check('client')).toEqual({ up: true, detail: 'not known yet' });
  });

  it('does not count a check as well if an outage has prevented it', async () => {
    found = OUTAGE;
    const one = await start();
    await next({ issuer: 'well', ...WRONG_SECRET });
    expect(one.check('client')).toEqual({ up: false, detail: 'wrong secret' });
  });

  it('keeps the last result of a check that was not reached', async () => {
    const one = await start();
    await next(WRONG_SECRET);
    await next(OUTAGE);
    expect(one.check('client')).toMatchObject({ degraded: true, detail: 'wrong secret' });
  });

  it('logs an unchanged state once', async () => {
    await start();
    for (let i = 0; i < 5; i += 1) await next(OUTAGE);
    await next({ issuer: { detail: 'answered 500', holdsBackNew: false } });
    await next(WELL);
    expect(lines).toEqual(['warn no answer', 'warn answered 500', 'info no longer: answered 500']);
  });

  it('checks seldom, more often during a fault, and not at the same times as other processes', async () => {
    await start();
    await jest.advanceTimersByTimeAsync(239_000);
    expect(looks).toBe(1);
    await jest.advanceTimersByTimeAsync(122_000);
    expect(looks).toBe(2);
    await next(OUTAGE);
    const before = looks;
    await jest.advanceTimersByTimeAsync(600_000);
    expect(looks - before).toBeGreaterThanOrEqual(8);
    expect(looks - before).toBeLessThanOrEqual(13);
  });

  it('checks until all is well, when configured so', async () => {
    found = OUTAGE;
    await start(0);
    await next(WELL);
    expect(looks).toBe(2);
    await jest.advanceTimersByTimeAsync(3_600_000);
    expect(looks).toBe(2);
  });

  it('stops its checks once it is closed', async () => {
    const one = await start();
    one.close();
    await jest.advanceTimersByTimeAsync(3_600_000);
    expect(looks).toBe(1);
  });

  it('continues after a failed check, and keeps the last results', async () => {
    const one = await start();
    await next(new Error('a bug'));
    expect(one.check('client')).toEqual({ up: true });
    expect(lines).toEqual([expect.stringContaining('the check itself failed')]);
    await next(WRONG_SECRET);
    expect(one.check('client')).toMatchObject({ degraded: true });
  });

  it('delays no caller that waits for the first check', async () => {
    let answer: (findings: Findings<Name>) => void = () => undefined;
    watch = new DependencyWatch<Name>({
      names: ['issuer', 'client'],
      look: () => new Promise((resolve) => (answer = resolve)),
      everyMs: 0,
      retryMs: 0,
      log: { info: () => undefined, warn: () => undefined },
    });
    const waiting = watch.settled(1_000);
    await jest.advanceTimersByTimeAsync(1_000);
    await waiting;
    expect(watch.check('client')).toEqual({ up: true, detail: 'not known yet' });
    answer(WELL);
    await watch.settled(1_000);
    expect(watch.check('client')).toEqual({ up: true });
  });
});

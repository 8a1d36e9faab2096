import { setTimeout as delay } from 'node:timers/promises';
import { LineLimit } from '../index.js';

describe('LineLimit', () => {
  it('admits a number of lines of a kind, and then reports the number of omitted lines', async () => {
    const limit = new LineLimit({ lines: 2, perMs: 500 });
    expect(Array.from({ length: 5 }, () => limit.admit('one'))).toEqual([{}, {}, ...Array(3)]);
    expect(limit.admit('another')).toEqual({});
    await delay(550);
    expect(limit.admit('one')).toEqual({ untold: 3 });
    expect(limit.admit('one')).toEqual({});
    expect(limit.admit('one')).toBeUndefined();
  });

  it('holds for any number of kinds', () => {
    const limit = new LineLimit({ lines: 1, perMs: 60_000 });
    const told = Array.from({ length: 1_000 }, (_, i) => limit.admit(`kind ${i}`)).filter(Boolean);
    expect(told).toHaveLength(101);
  });

  it('has room for new kinds after the end of the old ones', async () => {
    const limit = new LineLimit({ lines: 1, perMs: 400 });
    for (let i = 0; i < 100; i += 1) limit.admit(`kind ${i}`);
    await delay(450);
    expect(Array.from({ length: 20 }, (_, i) => limit.admit(`new ${i}`))).toEqual(Array(20).fill({}));
  });
});

import { setTimeout as delay } from 'node:timers/promises';
import { lastValueFrom, toArray } from 'rxjs';
import { asTheySettle } from './as-they-settle.js';

describe('answers as they settle', () => {
  const after = <T>(ms: number, value: T) => delay(ms, value);
  const emissions = (...promises: Promise<string>[]) => lastValueFrom(asTheySettle(promises).pipe(toArray()));

  it('do not wait for the slowest', async () => {
    expect(await emissions(after(80, 'slow'), after(1, 'fast'))).toEqual([['fast'], ['slow']]);
  });

  it('come together when they settle in the same turn', async () => {
    const [one, two] = [Promise.resolve('one'), Promise.resolve('two')];
    expect(await emissions(one, after(50, 'late'), two)).toEqual([['one', 'two'], ['late']]);
  });

  it('come 64 at a time, so that no message is too long', async () => {
    const many = Array.from({ length: 130 }, (_, i) => `${i}`);
    const emitted = await emissions(...many.map((one) => Promise.resolve(one)));
    expect(emitted.map(({ length }) => length)).toEqual([64, 64, 2]);
    expect(emitted.flat()).toEqual(many);
  });

  it('are complete once the last of them has come', async () => {
    let completed = false;
    asTheySettle([after(1, 'one'), after(60, 'two')]).subscribe({ complete: () => (completed = true) });
    await delay(30);
    expect(completed).toBe(false);
    await delay(80);
    expect(completed).toBe(true);
  });
});

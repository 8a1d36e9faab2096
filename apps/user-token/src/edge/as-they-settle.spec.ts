import { setImmediate as nextTurn } from 'node:timers/promises';
import { lastValueFrom, toArray } from 'rxjs';
import { deferred } from '@app/test-support/timing/deferred';
import { asTheySettle } from './as-they-settle.js';

describe('answers as they settle', () => {
  const emissions = (...promises: Promise<string>[]) => lastValueFrom(asTheySettle(promises).pipe(toArray()));
  const turns = async () => {
    for (let i = 0; i < 3; i += 1) await nextTurn();
  };

  it('do not wait for the slowest', async () => {
    const [slow, fast] = [deferred<string>(), deferred<string>()];
    const emitted = emissions(slow.promise, fast.promise);
    fast.resolve('fast');
    await turns();
    slow.resolve('slow');
    expect(await emitted).toEqual([['fast'], ['slow']]);
  });

  it('come together when they settle in the same turn', async () => {
    const late = deferred<string>();
    const emitted = emissions(Promise.resolve('one'), late.promise, Promise.resolve('two'));
    await turns();
    late.resolve('late');
    expect(await emitted).toEqual([['one', 'two'], ['late']]);
  });

  it('come 64 at a time, so that no message is too long', async () => {
    const many = Array.from({ length: 130 }, (_, i) => `${i}`);
    const emitted = await emissions(...many.map((one) => Promise.resolve(one)));
    expect(emitted.map(({ length }) => length)).toEqual([64, 64, 2]);
    expect(emitted.flat()).toEqual(many);
  });

  it('are complete once the last of them has come', async () => {
    let completed = false;
    const last = deferred<string>();
    const answers = asTheySettle([Promise.resolve('one'), last.promise]);
    answers.subscribe({ complete: () => (completed = true) });
    await turns();
    expect(completed).toBe(false);
    last.resolve('two');
    await turns();
    expect(completed).toBe(true);
  });
});

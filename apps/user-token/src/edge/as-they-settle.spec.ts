import { setImmediate as nextTurn } from 'node:timers/promises';
import { MAX_VERDICTS_TOGETHER } from '@app/contract';
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

  it('come in pieces, so that no message is too long', async () => {
    const many = Array.from({ length: 2 * MAX_VERDICTS_TOGETHER + 2 }, (_, i) => `${i}`);
    const emitted = await emissions(...many.map((one) => Promise.resolve(one)));
    expect(emitted.map(({ length }) => length)).toEqual([MAX_VERDICTS_TOGETHER, MAX_VERDICTS_TOGETHER, 2]);
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

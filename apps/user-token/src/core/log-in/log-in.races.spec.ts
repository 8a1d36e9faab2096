import { interleave, pairsOf } from '@app/test-support/core/interleavings';
import { SteppedCore } from '@app/test-support/core/stepped-core';

describe('LogIn', () => {
  let core: SteppedCore;

  beforeAll(async () => {
    core = await SteppedCore.open();
  });

  afterAll(() => core.close());

  it.each(pairsOf('a log-in'))(
    'of $holder $fate at each of its calls, and $other comes to $at (leeway: $leeway): all that must hold holds',
    async (pair) => {
      expect(await interleave(core, pair)).toEqual([]);
    },
  );
});

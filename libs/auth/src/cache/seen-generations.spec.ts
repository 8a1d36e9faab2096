import { formatGeneration } from '@app/contract';
import { SeenGenerations } from './seen-generations.js';

const generation = (id: string, serverId = 'server-1') =>
  formatGeneration({ serverId, id, knownSinceSeconds: 1, firstSightsSinceSeconds: 1 });
const [first, second] = [generation('first'), generation('second')];

describe('the generations of the store', () => {
  it('count while they stand, also after a moment with an unknown server', () => {
    const seen = new SeenGenerations();
    expect(seen.trusted(first, 'server-1')).toBe(first);
    expect(seen.trusted(first, 'server-1')).toBe(first);
    expect(seen.trusted(first, undefined)).toBeUndefined();
    expect(seen.trusted(null, undefined)).toBeUndefined();
    expect(seen.trusted(first, 'server-1')).toBe(first);
  });

  it.each<[string, string | null, string]>([
    ['another one stood there', second, 'server-1'],
    ['nothing stood there', null, 'server-1'],
    ['garbage stood there', 'garbage', 'server-1'],
    ["another server's stood there", generation('first', 'server-2'), 'server-1'],
    ['another server answered with its own', generation('first', 'server-2'), 'server-2'],
    ['another server answered with the same', first, 'server-2'],
  ])('never count again once %s', (_title, value, serverId) => {
    const seen = new SeenGenerations();
    seen.trusted(first, 'server-1');
    seen.trusted(value, serverId);
    for (let i = 0; i < 3; i += 1) expect(seen.trusted(first, 'server-1')).toBeUndefined();
    const third = generation('third');
    expect(seen.trusted(third, 'server-1')).toBe(third);
    expect(seen.trusted(first, 'server-1')).toBeUndefined();
    expect(seen.trusted(third, 'server-1')).toBeUndefined();
  });

  it('never count again, after hundreds of others', () => {
    const seen = new SeenGenerations();
    seen.trusted(first, 'server-1');
    for (let i = 0; i < 500; i += 1) expect(seen.trusted(generation(`no-${i}`), 'server-1')).toBeDefined();
    expect(seen.trusted(first, 'server-1')).toBeUndefined();
  });
});

import {
  firstSightsSinceSeconds,
  formatGeneration,
  isGenerationOf,
  parseGeneration,
} from './store-generation.js';

describe('a generation of the store', () => {
  const generation = { serverId: 'run.history', id: 'id', knownSinceSeconds: 5, firstSightsSinceSeconds: 7 };
  const value = formatGeneration(generation);

  it('is read as it was written', () => {
    expect(parseGeneration(value)).toEqual(generation);
    expect(isGenerationOf(value, 'run.history')).toBe(true);
    expect(firstSightsSinceSeconds(value, 'run.history')).toBe(7);
  });

  it.each<[string, string | null | undefined, string | undefined]>([
    ['it is missing', null, 'run.history'],
    ['it was not read', undefined, 'run.history'],
    ['it was given to another server', value, 'other.history'],
    ['it was given to one whose name begins alike', value, 'run.hist'],
    ['the server does not tell who it is', value, undefined],
    ['the store is being written to', `merging:x ${value}`, 'run.history'],
    ['it is garbled', 'run.history/id/5', 'run.history'],
  ])('tells nothing of first sights when %s', (_title, found, serverId) => {
    expect(firstSightsSinceSeconds(found, serverId)).toBe(Infinity);
  });
});

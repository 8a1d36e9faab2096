import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { StoreWatch } from './store-watch.js';

const LIFE_MS = 300_000;

describe('a cache that services do not share because settings differ', () => {
  let nowMs = 1_000_000;
  let told: string[];

  beforeEach(() => {
    told = [];
    jest.spyOn(performance, 'now').mockImplementation(() => nowMs);
    jest
      .spyOn(Logger.prototype, 'warn')
      .mockImplementation((message: unknown) => void told.push(String(message)));
  });

  afterEach(() => jest.restoreAllMocks());

  it('is a store that no user-token maintains: reported once it should have been seen, and every ten minutes', () => {
    const watch = new StoreWatch(LIFE_MS);
    watch.sees(undefined, 'server');
    expect(watch.isKept).toBe(false);
    for (let i = 0; i < 100; i += 1, nowMs += 1_000) watch.sees(undefined, 'server');
    expect(told).toEqual([expect.stringContaining('AUTH0_ISSUER_URL')]);
    nowMs += 600_000;
    watch.sees(undefined, 'server');
    expect(told).toHaveLength(2);
  });

  it('is not reported while Redis is away, or after a generation was seen', () => {
    const watch = new StoreWatch(LIFE_MS);
    nowMs += 60_000;
    watch.sees(undefined, undefined);
    watch.sees('generation', 'server');
    nowMs += 60_000;
    watch.sees(undefined, 'server');
    expect(watch.isKept).toBe(true);
    expect(told).toEqual([]);
  });

  it('is a store maintained by another user-token than the one that is asked: reported once it lasts', () => {
    const watch = new StoreWatch(LIFE_MS);
    watch.sees('generation', 'server');
    watch.hears('generation');
    expect(watch.isKept).toBe(true);
    for (let i = 0; i < 100; i += 1, nowMs += 1_000) watch.hears('another');
    expect(watch.isKept).toBe(false);
    expect(told).toEqual([expect.stringContaining('ENVIRONMENT')]);
  });

  it('is not reported when user-token names a new generation before the store shows it, or names none', () => {
    const watch = new StoreWatch(LIFE_MS);
    watch.sees('generation', 'server');
    watch.hears(undefined);
    expect(watch.isKept).toBe(true);
    watch.hears('the next');
    expect(watch.isKept).toBe(false);
    nowMs += 60_000;
    watch.sees('the next', 'server');
    watch.hears('the next');
    expect(watch.isKept).toBe(true);
    expect(told).toEqual([]);
  });

  it('is an entry sealed with another secret, and not one of an earlier generation', () => {
    const watch = new StoreWatch(LIFE_MS);
    watch.sees('generation', 'server');
    nowMs += LIFE_MS;
    watch.foundSealedOtherwise();
    expect(told).toEqual([]);
    nowMs += 1_000;
    for (let i = 0; i < 100; i += 1) watch.foundSealedOtherwise();
    expect(told).toEqual([expect.stringContaining('TOKEN_CACHE_SECRET')]);
    watch.sees('the next', 'server');
    nowMs += 700_000;
    watch.sees('another', 'server');
    watch.foundSealedOtherwise();
    expect(told).toHaveLength(1);
  });
});

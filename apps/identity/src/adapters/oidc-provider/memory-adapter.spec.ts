import { Overloaded } from '../../core/overloaded.js';
import { until } from '@app/test-support/timing/until';
import { createMemoryAdapters } from './memory-adapter.js';

describe('the memory of oidc-provider', () => {
  const memory = (maxEntries: number) =>
    createMemoryAdapters({ maxEntries, refreshTokenLeewaySeconds: () => 0 });

  it('keeps live entries, in any order and for any number of other reads', async () => {
    const { adapter, assertRoomForLogIn } = memory(10);
    const [grants, tokens] = [adapter('Grant'), adapter('RefreshToken')];
    await tokens.upsert('oldest', { grantId: 'g' }, 60);
    for (let i = 0; i < 8; i += 1) await grants.upsert(`g${i}`, {}, 60);
    expect(assertRoomForLogIn).toThrow(Overloaded);
    // Requests under way still find room, up to a bound; then they are refused.
    const filled = async () => {
      for (let i = 0; i < 10_000; i += 1) await grants.upsert(`more${i}`, {}, 60);
    };
    await expect(filled()).rejects.toThrow(Overloaded);
    expect(await tokens.find('oldest')).toEqual({ grantId: 'g' });
    expect(await grants.find('g0')).toEqual({});
    // Existing entries can be written again.
    await tokens.upsert('oldest', { grantId: 'g', uid: 'u' }, 60);
    expect(await tokens.find('oldest')).toEqual({ grantId: 'g', uid: 'u' });
  });

  it('starts no refresh that it could not store', async () => {
    const { adapter } = memory(3);
    const [grants, tokens] = [adapter('Grant'), adapter('RefreshToken')];
    await tokens.upsert('t', { grantId: 'g', clientId: 'c' }, 60);
    await grants.upsert('g', {}, 60);
    await expect(tokens.consume('t')).rejects.toThrow(Overloaded);
    expect(await tokens.find('t')).toEqual({ grantId: 'g', clientId: 'c' });
    await grants.destroy('g');
    await tokens.consume('t');
    expect(await tokens.find('t')).toMatchObject({ consumed: expect.any(Number) });
  });

  it('has room again after an expiry', async () => {
    const { adapter, assertRoomForLogIn } = memory(10);
    const grants = adapter('Grant');
    for (let i = 0; i < 9; i += 1) await grants.upsert(`g${i}`, {}, 0.05);
    await until(() => {
      try {
        assertRoomForLogIn();
        return true;
      } catch (error) {
        if (!(error instanceof Overloaded)) throw error;
        return false;
      }
    });
    expect(await grants.find('g0')).toBeUndefined();
  });
});

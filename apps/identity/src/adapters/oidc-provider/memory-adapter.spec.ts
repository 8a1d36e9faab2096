import { Overloaded } from '../../core/overloaded.js';
import { MovableClock } from '@app/test-support/timing/movable-clock';
import { createMemoryAdapters } from './memory-adapter.js';

describe('the memory of oidc-provider', () => {
  const memory = (maxEntries: number, clock = new MovableClock()) =>
    createMemoryAdapters({ maxEntries, clock, refreshTokenLeewaySeconds: () => 0 });

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
    const clock = new MovableClock();
    const { adapter, assertRoomForLogIn } = memory(10, clock);
    const grants = adapter('Grant');
    for (let i = 0; i < 9; i += 1) await grants.upsert(`g${i}`, {}, 60);
    clock.moveSeconds(59);
    expect(assertRoomForLogIn).toThrow(Overloaded);
    clock.moveSeconds(2);
    assertRoomForLogIn();
    expect(await grants.find('g0')).toBeUndefined();
  });

  it('has room again after an expiry on a clock that was moved back', async () => {
    const clock = new MovableClock();
    const { adapter, assertRoomForLogIn } = memory(10, clock);
    const grants = adapter('Grant');
    const fill = async () => {
      for (let i = 0; i < 9; i += 1) await grants.upsert(`g${i}`, {}, 60);
      expect(assertRoomForLogIn).toThrow(Overloaded);
    };
    await fill();
    clock.moveSeconds(-86_400);
    await fill();
    clock.moveSeconds(61);
    assertRoomForLogIn();
  });
});

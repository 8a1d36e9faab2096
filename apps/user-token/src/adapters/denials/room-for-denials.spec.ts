import { roomForDenials } from './room-for-denials.js';

describe('room for denials', () => {
  it.each([
    ['128 MiB', 128, 100_000],
    ['256 MiB', 256, 503_316],
    ['1 GiB', 1_024, 1_000_000],
    ['64 GiB', 65_536, 1_000_000],
  ])('within %s is what the service itself leaves, within bounds', (_title, limitMib, denials) => {
    expect(roomForDenials(limitMib * 1024 * 1024)).toBe(denials);
  });

  it('goes by the limits of this process', () => {
    expect(roomForDenials()).toBeGreaterThanOrEqual(100_000);
  });
});

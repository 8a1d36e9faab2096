import { jest } from '@jest/globals';
import { SealedBox } from './sealed-box.js';
import { SealedMfaHandles } from './sealed-mfa-handles.js';

const pending = { mfaToken: 'Fe26.2**secret', username: 'ada@example.com', clientId: 'portal' };
const handlesOf = (...secrets: string[]) => new SealedMfaHandles(new SealedBox(secrets));
const FIRST = 'first-secret-0123456789-0123456789';
const SECOND = 'second-secret-0123456789-0123456789';

describe('an mfa_handle', () => {
  afterEach(() => void jest.useRealTimers());

  it('opens again, also after its secret has made way for a new one', () => {
    const handle = handlesOf(FIRST).seal(pending);
    expect(handlesOf(FIRST).open(handle)).toEqual(pending);
    expect(handlesOf(SECOND, FIRST).open(handle)).toEqual(pending);
  });

  it('is another one each time, and shows nothing', () => {
    const handles = handlesOf(FIRST);
    const handle = handles.seal(pending);
    expect(handle).not.toBe(handles.seal(pending));
    expect(Buffer.from(handle, 'base64url').toString('latin1')).not.toMatch(/Fe26|ada|portal/);
  });

  it.each([
    ['of another deployment', () => handlesOf(SECOND).seal(pending)],
    ['that was changed', () => `${handlesOf(FIRST).seal(pending).slice(0, -3)}AAA`],
    ['that is none', () => 'nonsense'],
    ['sealed for something else', () => new SealedBox([FIRST]).seal('token', 'place', '{}')],
  ])('%s does not open', (_title, make) => {
    expect(handlesOf(FIRST).open(make())).toBeUndefined();
  });

  it('is too old after ten minutes', () => {
    jest.useFakeTimers({ now: 0 });
    const handle = handlesOf(FIRST).seal(pending);
    jest.setSystemTime(599_000);
    expect(handlesOf(FIRST).open(handle)).toEqual(pending);
    jest.setSystemTime(601_000);
    expect(handlesOf(FIRST).open(handle)).toBeUndefined();
  });
});

import { jest } from '@jest/globals';
import { newIssuedToken } from '@app/contract';
import { deniedToken, DenialsUnknown } from './denials.js';
import { tokenId } from './token-id.js';

const NOW_SECONDS = 1_800_000_000;
const THIRTY_DAYS_SECONDS = 30 * 24 * 3600;

describe('deniedToken', () => {
  beforeEach(() => void jest.spyOn(Date, 'now').mockReturnValue(NOW_SECONDS * 1000));

  afterEach(() => void jest.restoreAllMocks());

  it.each([
    ['a JWT until it expires', 'eyJh.eyJh.eyJh', NOW_SECONDS + 60],
    ['a token of ours until it expires', newIssuedToken('access', 'auth0|ada'), NOW_SECONDS + 60],
    ['an opaque token as long as any can last', 'opaque-token-ada', NOW_SECONDS + THIRTY_DAYS_SECONDS],
    ['a JWE, which is opaque to us, as long', 'eyJh..eyJh.eyJh.eyJh', NOW_SECONDS + THIRTY_DAYS_SECONDS],
  ])('denies %s', (_title, accessToken, expiresAtSeconds) => {
    expect(deniedToken(accessToken, NOW_SECONDS + 60)).toEqual({
      tokenId: tokenId(accessToken),
      expiresAtSeconds,
    });
  });
});

it('DenialsUnknown names itself and its cause', () => {
  const cause = new Error('no answer');
  expect(new DenialsUnknown({ cause })).toMatchObject({
    name: 'DenialsUnknown',
    message: expect.stringContaining('Redis is away'),
    cause,
  });
});

import {
  credentialOf,
  factsOf,
  holds,
  leftOf,
  refreshTokensOf,
  type Session,
  type UnjudgedGrant,
} from './sessions.js';

const session: Session = {
  id: 'id',
  subject: 'auth0|ada',
  scope: '',
  startedAtSeconds: 0,
  usedAtSeconds: 0,
  device: {},
  issuedAtSeconds: 7,
  expiresAtSeconds: 100,
  accessTokens: [
    { tokenId: 'former', expiresAtSeconds: 50 },
    { tokenId: 'current', expiresAtSeconds: 100 },
  ],
};

describe('credentialOf', () => {
  it.each([
    ["our own front ends, which refresh by it, is the access token's", undefined, 'access'],
    ["a client is the refresh token's", 'refresh', 'refresh'],
  ])('of %s', (_title, refreshToken, credential) => {
    const token = { accessToken: 'access', refreshToken, expiresInSeconds: 1, scope: '' };
    expect(credentialOf(token)).toBe(credential);
  });
});

describe('leftOf', () => {
  const grant: UnjudgedGrant = {
    accessToken: 'access',
    expiresInSeconds: 60,
    scope: '',
    grantedAtMs: 1_800_000_000_700,
  };
  it.each([
    ['is all of it within the second', 999, 60],
    ['counts from the whole second of the grant on, as its issuer does', 1_000, 58],
    ['is in whole seconds', 1_300, 58],
    ['is one second less', 1_301, 57],
    ['is a second at the end', 58_300, 1],
    ['ends', 59_300, 0],
    ['is nothing afterwards', 600_000, 0],
    ['is all of it where our clock goes back', -5_000, 60],
  ])('a token %s', (_title, passedMs, leftSeconds) => {
    expect(leftOf(grant, { nowMs: () => grant.grantedAtMs + passedMs })).toBe(leftSeconds);
  });
});

describe('refreshTokensOf', () => {
  it.each<[string, Partial<Session>, string[]]>([
    ['none', {}, []],
    ['one', { refreshToken: 'a' }, ['a']],
    [
      'one, and those of refreshes that were overtaken',
      { refreshToken: 'a', surplusRefreshTokens: ['b', 'c'] },
      ['a', 'b', 'c'],
    ],
    ['those alone', { surplusRefreshTokens: ['b'] }, ['b']],
  ])('of a session that has %s', (_title, has, refreshTokens) => {
    expect(refreshTokensOf({ ...session, ...has })).toEqual(refreshTokens);
  });
});

it('factsOf looks a session up by its current access token', () => {
  expect(factsOf(session)).toEqual({ subject: 'auth0|ada', tokenId: 'current', issuedAtSeconds: 7 });
});

it.each([
  ['former', true],
  ['current', true],
  ['another', false],
])('a session with two access tokens holds the %s one: %s', (tokenId, held) => {
  expect(holds({ ...session, credentialId: 'x' }, tokenId)).toBe(held);
});

import fc from 'fast-check';
import { epochKey, newIssuedToken } from '@app/contract';
import { claimedEpochOf } from './claimed-epoch.js';

describe('claimedEpochOf', () => {
  it('never throws, and names an epoch whenever it returns something', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json().map(asJwt)), (token) => {
        const claimed = claimedEpochOf(token);
        if (claimed) expect(claimed.epochKey).toMatch(/^epoch:v2:\{[\w-]{3}\}:[\w-]{43}$/);
      }),
    );
  });

  it.each([
    ['a JWT', asJwt('{"sub":"auth0|ada"}'), 'auth0|ada'],
    ['a JWT without one', asJwt('{}'), undefined],
    ['a JWT of null', asJwt('null'), undefined],
    ['a subject that is a number', asJwt('{"sub":1}'), undefined],
    ['a subject that is not ASCII', asJwt('{"iss":"x","sub":"auth0|ädä"}'), 'auth0|ädä'],
    ['an opaque token', 'opaque-token-0123456789', undefined],
    ['a token that a registered client was given', newIssuedToken('access', 'auth0|ada'), 'auth0|ada'],
  ])('of %s', (_title, token, subject) => {
    expect(claimedEpochOf(token)?.epochKey).toBe(subject && epochKey(subject));
  });
});

function asJwt(claims: string): string {
  return `e30.${Buffer.from(claims).toString('base64url')}.c2ln`;
}

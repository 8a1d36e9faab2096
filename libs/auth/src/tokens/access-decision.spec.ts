import fc from 'fast-check';
import { principal } from '@app/test-support/suite/fake-user-token';
import { decideAccess } from './access-decision.js';

const NOW = 1_790_000_000;
const names = fc.subarray(['a', 'b', 'c', 'read:x', 'write:x']);

describe('decideAccess', () => {
  it('allows exactly the principals that are in time, have the audience, and carry all that is asked', () => {
    fc.assert(
      fc.property(
        names,
        names,
        names,
        names,
        fc.subarray(['https://a/', 'https://b/', 'https://c/']),
        fc.subarray(['https://a/', 'https://b/'], { minLength: 1 }),
        fc.integer({ min: -2, max: 2 }),
        (scopes, permissions, asScopes, asPermissions, audience, asAudience, secondsLeft) => {
          const who = principal({ scopes, permissions, audience, expiresAtSeconds: NOW + secondsLeft });
          const asked = { audience: asAudience, scopes: asScopes, permissions: asPermissions };
          const decision = decideAccess(who, asked, NOW);
          const acceptable = secondsLeft > 0 && asAudience.some((one) => audience.includes(one));
          const sufficient =
            asScopes.every((one) => scopes.includes(one)) &&
            asPermissions.every((one) => permissions.includes(one));
          expect(decision.allowed).toBe(acceptable && sufficient);
          if (!decision.allowed)
            expect(decision.error).toBe(acceptable ? 'insufficient_scope' : 'invalid_token');
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['the last moment before expiry', NOW - 0.001, true],
    ['the second of expiry', NOW, false],
    ['a time that is no number', Number.NaN, false],
  ])('at %s', (_title, now, allowed) => {
    const asked = { audience: ['https://api.test/'], scopes: [], permissions: [] };
    expect(decideAccess(principal({ expiresAtSeconds: NOW }), asked, now).allowed).toBe(allowed);
  });

  it('never counts a permission as a scope, nor a scope as a permission', () => {
    const who = principal({ scopes: ['x'], permissions: ['y'] });
    const asked = { audience: who.audience, scopes: ['y'], permissions: ['x'] };
    expect(decideAccess(who, asked, NOW - 1e6)).toMatchObject({
      error: 'insufficient_scope',
      scope: ['y', 'x'],
    });
  });
});

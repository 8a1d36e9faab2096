import type { Principal } from '@app/contract';
import { FrozenPrincipals } from './frozen-principals.js';

const ada: Principal = {
  subject: 'auth0|ada',
  clientId: 'web',
  scopes: ['read:venues'],
  permissions: ['read:venues'],
  issuer: 'https://issuer.test/',
  audience: ['https://api.test/'],
  issuedAtSeconds: 1,
  expiresAtSeconds: 2,
  claims: { roles: ['admin'], address: { town: 'London' } },
};

/** The type that a careless handler assumes. */
interface Changeable {
  subject: string;
  scopes: string[];
  permissions: string[];
  claims: { roles: string[]; address: { town: string } };
}

describe('a principal that several requests share', () => {
  it('keeps its values', () => {
    expect(new FrozenPrincipals().of(ada)).toEqual(ada);
  });

  it.each<[string, (principal: Changeable) => void]>([
    ['its subject', (principal) => (principal.subject = 'auth0|eve')],
    ['its permissions', (principal) => principal.permissions.push('delete:venues')],
    ['its scopes', (principal) => (principal.scopes[0] = 'admin')],
    ['its claims', (principal) => (principal.claims.roles = [])],
    ['what is inside its claims', (principal) => principal.claims.roles.push('root')],
    ['what is deep inside its claims', (principal) => (principal.claims.address.town = 'Paris')],
  ])('does not let a handler change %s', (_, change) => {
    const principal = new FrozenPrincipals().of(structuredClone(ada));
    expect(() => change(principal as unknown as Changeable)).toThrow(/read only|not extensible/);
    expect(principal).toEqual(ada);
  });

  it('shares equal lists, and not lists that only look alike', () => {
    const principals = new FrozenPrincipals();
    const [one, two] = [principals.of(structuredClone(ada)), principals.of(structuredClone(ada))];
    expect(one.permissions).toBe(two.permissions);
    expect(principals.of({ ...ada, scopes: ['read:venues,write:venues'] }).scopes).toEqual([
      'read:venues,write:venues',
    ]);
    expect(principals.of({ ...ada, scopes: ['read:venues write:venues'] }).scopes).toEqual([
      'read:venues write:venues',
    ]);
    expect(principals.of({ ...ada, scopes: ['read:venues', 'write:venues'] }).scopes).toEqual([
      'read:venues',
      'write:venues',
    ]);
  });
});

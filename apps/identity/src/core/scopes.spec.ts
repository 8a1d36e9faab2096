import type { Api, User } from './directory.js';
import { permissionsFor } from './scopes.js';

describe('permissions for an API', () => {
  const api: Api = {
    identifier: 'https://api.venue.example/',
    name: 'venue',
    scopes: ['read:venues', 'write:venues', 'delete:venues'],
    accessTokenLifetimeSeconds: 3600,
    allowOfflineAccess: true,
    tokenForm: 'dialect',
  };
  const user: User = {
    userId: 'auth0|grace',
    email: 'grace@example.com',
    emailVerified: true,
    blocked: false,
    profile: {},
    permissions: new Map([[api.identifier, ['write:venues', 'read:venues', 'read:other']]]),
  };

  it("are only the API's scopes, in its order", () => {
    expect(permissionsFor(user, api)).toEqual(['read:venues', 'write:venues']);
    expect(permissionsFor(user, { ...api, identifier: 'https://other.example/' })).toEqual([]);
  });
});

import type { Client } from '../../../core/clients.js';
import type { Api, User } from '../../../core/directory.js';
import { grantedScopes, scopeWhenDifferent } from './granted-scopes.js';

const api: Api = {
  identifier: 'https://api.venue.example/',
  name: 'venue',
  scopes: ['read:venues', 'write:venues', 'delete:venues'],
  accessTokenLifetimeSeconds: 3600,
  allowOfflineAccess: true,
  tokenForm: 'dialect',
};
const client: Client = {
  clientId: 'venue-suite',
  clientSecret: 'venue-suite-local-secret',
  enabled: true,
  grantTypes: ['password', 'refresh_token'],
  endUserAddressTrusted: false,
  refreshTokenLifetimeSeconds: 60,
  refreshTokenLeewaySeconds: 0,
  ownScopes: new Map(),
};
const user: User = {
  userId: 'auth0|grace',
  email: 'grace@example.com',
  emailVerified: true,
  blocked: false,
  profile: {},
  permissions: new Map([[api.identifier, ['write:venues', 'read:venues', 'read:other']]]),
};

describe('grantedScopes', () => {
  it.each([
    ['nothing asked for: every API scope the user may have', undefined, ['read:venues', 'write:venues']],
    ['an empty scope counts as nothing asked for', '', ['read:venues', 'write:venues']],
    ['one of them', 'read:venues', ['read:venues']],
    ['one the user has no permission for is dropped', 'delete:venues read:venues', ['read:venues']],
    ['one the API does not have is dropped, even with a permission', 'read:other', []],
    ['OpenID Connect scopes only: no API scope', 'openid offline_access', ['openid', 'offline_access']],
    ['a scope asked for twice is granted once', 'openid openid', ['openid']],
    ['blanks around count for nothing', ' openid  read:venues ', ['openid', 'read:venues']],
  ])('%s', (_, scope, granted) => {
    expect(grantedScopes({ scope, user, client, api })).toEqual(granted);
  });

  it.each([
    ['the API does not allow it', { client, api: { ...api, allowOfflineAccess: false } }],
    ['the client has no refresh_token grant', { client: { ...client, grantTypes: ['password'] }, api }],
  ])('drops offline_access when %s', (_, who) => {
    expect(grantedScopes({ scope: 'openid offline_access', user, ...who })).toEqual(['openid']);
  });

  it('grants no API scope without an API', () => {
    expect(grantedScopes({ scope: 'openid read:venues', user, client, api: undefined })).toEqual(['openid']);
    expect(grantedScopes({ scope: undefined, user, client, api: undefined })).toEqual([
      'openid',
      'profile',
      'email',
      'address',
      'phone',
    ]);
  });
});

describe('scopeWhenDifferent', () => {
  it.each([
    ['all of what was asked for', 'openid email', ['openid', 'email'], undefined],
    ['less than was asked for', 'openid email', ['openid'], 'openid'],
    ['without anything having been asked for', undefined, ['openid'], 'openid'],
    ['nothing', 'bogus', [], undefined],
  ])('granted %s', (_, requested, granted, shown) => {
    expect(scopeWhenDifferent(requested, granted)).toBe(shown);
  });
});

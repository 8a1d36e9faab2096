import type { ResourceServer } from 'oidc-provider';
import type { Api } from '../core/directory.js';
import { oidcScopes } from '../core/granted-scopes.js';

/** An API as oidc-provider sees it. As at Auth0, `scope` of its tokens names the OpenID Connect scopes too. */
export function resourceServerOf(api: Api): ResourceServer {
  return {
    audience: api.identifier,
    scope: [...oidcScopes, ...api.scopes].join(' '),
    accessTokenTTL: api.accessTokenLifetimeSeconds,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'RS256' } },
  };
}

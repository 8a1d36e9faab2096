import type { ResourceServer } from 'oidc-provider';
import type { Api } from '../../core/directory.js';
import { oidcScopes } from '../../core/scopes.js';

/** An API for oidc-provider. `scope` of its tokens also names the OpenID Connect scopes. */
export function resourceServerOf(api: Api): ResourceServer {
  return {
    audience: api.identifier,
    scope: [...oidcScopes, ...api.scopes].join(' '),
    accessTokenTTL: api.accessTokenLifetimeSeconds,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: 'RS256' } },
  };
}

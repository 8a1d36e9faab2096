import type { Client } from '../../../core/clients.js';
import type { Api, User } from '../../../core/directory.js';
import { offlineAccessAllowed, oidcScopes, permissionsFor, splitScope } from '../../../core/scopes.js';

export interface ScopeRequest {
  /** The `scope` parameter; absent or empty means "what Auth0 grants by default". */
  readonly scope: string | undefined;
  readonly user: User;
  readonly client: Client;
  readonly api: Api | undefined;
}

/**
 * Scopes of a user's tokens: requested ∩ API ∩ the user's permissions, and the OpenID Connect scopes as requested.
 * With no scope requested: every API scope the user may have or, without an API, Auth0's OpenID Connect default.
 */
export function grantedScopes({ scope, user, client, api }: ScopeRequest): readonly string[] {
  const allowed = api ? permissionsFor(user, api) : [];
  const requested = splitScope(scope);
  if (requested.length === 0) return api ? allowed : ['openid', 'profile', 'email', 'address', 'phone'];
  return requested.filter((name) => {
    if (name === 'offline_access') return offlineAccessAllowed(client, api);
    return oidcScopes.includes(name) || allowed.includes(name);
  });
}

/** RFC 6749 section 5.1: the response may leave out `scope` if it equals the request; Auth0 leaves it out. */
export function scopeWhenDifferent(
  requested: string | undefined,
  granted: readonly string[],
): string | undefined {
  const same = splitScope(requested).join(' ') === granted.join(' ');
  return same || granted.length === 0 ? undefined : granted.join(' ');
}

import type { Api, Client, User } from './directory.js';

/** Supported OpenID Connect scopes (Core section 5.4 and 11). */
export const oidcScopes: readonly string[] = [
  'openid',
  'profile',
  'email',
  'address',
  'phone',
  'offline_access',
];

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

/** The user's permissions for an API, in the API's order. */
export function permissionsFor(user: User, api: Api): readonly string[] {
  const held = user.permissions.get(api.identifier) ?? [];
  return api.scopes.filter((name) => held.includes(name));
}

/** Each name once, in the requested order. */
export function splitScope(scope: string | undefined): readonly string[] {
  return [...new Set((scope ?? '').split(' ').filter(Boolean))];
}

/** RFC 6749 section 5.1: the response may leave out `scope` if it equals the request; Auth0 leaves it out. */
export function scopeWhenDifferent(
  requested: string | undefined,
  granted: readonly string[],
): string | undefined {
  const same = splitScope(requested).join(' ') === granted.join(' ');
  return same || granted.length === 0 ? undefined : granted.join(' ');
}

function offlineAccessAllowed(client: Client, api: Api | undefined): boolean {
  return client.grantTypes.includes('refresh_token') && (api?.allowOfflineAccess ?? true);
}

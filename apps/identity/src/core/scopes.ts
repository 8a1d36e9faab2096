import type { Client } from './clients.js';
import type { Api, User } from './directory.js';

/** Supported OpenID Connect scopes (Core section 5.4 and 11). */
export const oidcScopes: readonly string[] = [
  'openid',
  'profile',
  'email',
  'address',
  'phone',
  'offline_access',
];

/** The user's permissions for an API, in the API's order. */
export function permissionsFor(user: User, api: Api): readonly string[] {
  const held = user.permissions.get(api.identifier) ?? [];
  return api.scopes.filter((name) => held.includes(name));
}

/** Each name once, in the requested order. */
export function splitScope(scope: string | undefined): readonly string[] {
  return [...new Set((scope ?? '').split(' ').filter(Boolean))];
}

export function offlineAccessAllowed(client: Client, api: Api | undefined): boolean {
  return client.grantTypes.includes('refresh_token') && (api?.allowOfflineAccess ?? true);
}

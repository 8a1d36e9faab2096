import type { User } from './directory.js';

/** What an access token is worth at `/userinfo`. */
export type ReadToken =
  | { readonly active: true; readonly user: User; readonly scopes: readonly string[] }
  | { readonly active: false; readonly reason: UnreadableToken };

export type UnreadableToken =
  'token_unknown' | 'token_invalid' | 'token_expired' | 'user_not_allowed' | 'openid_missing';

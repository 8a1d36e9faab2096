/** Why a request is refused. Each dialect has its own words for it. */
export type Refusal =
  | { readonly reason: 'client_unauthenticated' }
  | { readonly reason: 'grant_type_not_allowed'; readonly grantType: string }
  | { readonly reason: 'parameter_missing'; readonly name: string }
  | { readonly reason: 'realm_unknown' }
  | { readonly reason: 'default_realm_missing' }
  | { readonly reason: 'credentials_wrong' }
  | { readonly reason: 'user_blocked' }
  | { readonly reason: 'audience_missing' }
  | { readonly reason: 'audience_unknown'; readonly audience: string }
  | { readonly reason: 'audience_not_granted'; readonly audience: string }
  | { readonly reason: 'scopes_not_granted'; readonly scopes: readonly string[] }
  | { readonly reason: 'refresh_token_invalid' }
  | { readonly reason: 'refresh_user_blocked' }
  | { readonly reason: 'refresh_user_gone' }
  | { readonly reason: 'token_of_another_client' }
  | { readonly reason: 'overloaded'; readonly retryAfterSeconds: number }
  | { readonly reason: 'path_unknown' };

/** Ends a grant at any depth: a hook of the protocol's library has no other way to say no. */
export class Refused extends Error {
  override readonly name = 'Refused';

  constructor(readonly refusal: Refusal) {
    super(refusal.reason);
  }
}

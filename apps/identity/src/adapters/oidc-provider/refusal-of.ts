import type { KoaContextWithOIDC } from 'oidc-provider';
import { Overloaded } from '../../core/overloaded.js';
import { Refused, type Refusal } from '../../core/refusal.js';
import { errors } from './oidc-provider.js';

/** @returns `undefined` for a request error that the words of oidc-provider, the RFC's, describe well enough */
export function refusalOf(ctx: KoaContextWithOIDC, error: Error): Refusal | undefined {
  if (error instanceof Refused) return error.refusal;
  if (error instanceof Overloaded) {
    return { reason: 'overloaded', retryAfterSeconds: error.retryAfterSeconds };
  }
  if (error instanceof errors.InvalidClientAuth) return { reason: 'client_unauthenticated' };
  // Only the refresh_token grant is oidc-provider's own: unknown, expired, revoked and reused tokens look alike.
  if (error instanceof errors.InvalidGrant) return { reason: 'refresh_token_invalid' };
  const grantType = ctx.oidc.params?.['grant_type'];
  // After client authentication, a grant type that the client may not use is the only remaining request error.
  if (
    error instanceof errors.InvalidRequest &&
    typeof grantType === 'string' &&
    ctx.oidc.client &&
    !ctx.oidc.client.grantTypeAllowed(grantType)
  ) {
    return { reason: 'grant_type_not_allowed', grantType };
  }
  return undefined;
}

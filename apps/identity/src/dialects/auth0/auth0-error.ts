/** Errors of `/oauth/token` and `/oauth/revoke` in Auth0's words. */
import type { KoaContextWithOIDC } from 'oidc-provider';
import { Overloaded } from '../../core/overloaded.js';
import { errors } from '../../adapters/oidc-provider/oidc-provider.js';

/** Thrown inside a grant; shown to the client unchanged. */
export class Auth0Error extends errors.OIDCProviderError {
  constructor(status: number, error: string, description: string) {
    super(status, error);
    this.error_description = description;
    this.expose = true;
  }
}

export const wrongCredentials = () => new Auth0Error(403, 'invalid_grant', 'Wrong email or password.');
export const blockedAtLogin = () => new Auth0Error(403, 'unauthorized', 'user is blocked');
export const blockedAtRefresh = () => new Auth0Error(403, 'invalid_grant', 'user is blocked');
export const userGone = () =>
  new Auth0Error(
    403,
    'invalid_grant',
    "The refresh_token was generated for a user who doesn't exist anymore.",
  );
export const foreignToken = () =>
  new Auth0Error(400, 'invalid_request', 'The token was not issued to this client.');
export const missingParameter = (name: string) =>
  new Auth0Error(400, 'invalid_request', `Missing required parameter: ${name}`);
export const unknownConnection = () => new Auth0Error(400, 'invalid_request', 'the connection was not found');
export const noDefaultDirectory = () =>
  new Auth0Error(500, 'server_error', 'Authorization server not configured with default connection.');
export const audienceRequired = () =>
  new Auth0Error(403, 'access_denied', 'Non-global clients are not allowed access to APIv1');
export const unknownAudience = (audience: string) =>
  new Auth0Error(403, 'access_denied', `Service not enabled within domain: ${printable(audience)}`);
export const noClientGrant = (audience: string) =>
  new Auth0Error(
    403,
    'access_denied',
    `Client is not authorized to access "${audience}". You need to create a "client-grant" associated to this API. ` +
      'See: https://auth0.com/docs/api/management/v2/client-grants/post-client-grants',
  );
export const scopesNotGranted = (scopes: readonly string[]) =>
  new Auth0Error(403, 'access_denied', `Client has not been granted scopes: ${scopes.join(' ')}`);

/** An OAuth 2.0 error response (RFC 6749 section 5.2). */
export interface ErrorResponse {
  readonly status: number;
  readonly body: { error: string; error_description?: string | undefined; error_uri?: string | undefined };
  readonly retryAfterSeconds?: number;
}

/** Auth0's words for an error of oidc-provider itself; `undefined` where its own words are good enough. */
export function inAuth0Dialect(ctx: KoaContextWithOIDC, error: Error): ErrorResponse | undefined {
  if (error instanceof Auth0Error) {
    return { status: error.status, body: { error: error.error, error_description: error.error_description } };
  }
  if (error instanceof Overloaded) {
    return {
      status: 503,
      body: {
        error: 'temporarily_unavailable',
        error_description: 'Too much to do at the moment; try again later.',
      },
      retryAfterSeconds: error.retryAfterSeconds,
    };
  }
  if (error instanceof errors.InvalidClientAuth) {
    return { status: 401, body: { error: 'access_denied', error_description: 'Unauthorized' } };
  }
  if (error instanceof errors.InvalidGrant) {
    // Only the refresh_token grant is oidc-provider's own: unknown, expired, revoked and reused tokens look alike.
    return {
      status: 403,
      body: { error: 'invalid_grant', error_description: 'Unknown or invalid refresh token.' },
    };
  }
  const grantType = ctx.oidc.params?.['grant_type'];
  if (error instanceof errors.InvalidRequest && notAllowed(ctx, grantType)) {
    return {
      status: 403,
      body: {
        error: 'unauthorized_client',
        error_description: `Grant type '${String(grantType)}' not allowed for the client.`,
        error_uri: 'https://auth0.com/docs/clients/client-grant-types',
      },
    };
  }
  return undefined;
}

/** After client authentication, a grant type that the client may not use is the only remaining request error. */
function notAllowed({ oidc }: KoaContextWithOIDC, grantType: unknown): boolean {
  return (
    typeof grantType === 'string' && oidc.client !== undefined && !oidc.client.grantTypeAllowed(grantType)
  );
}

/** RFC 6749 section 5.2 allows `error_description` printable ASCII without `"` and `\`. */
function printable(text: string): string {
  return text.slice(0, 200).replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?');
}

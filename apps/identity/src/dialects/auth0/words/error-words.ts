/** Errors of `/oauth/token` and `/oauth/revoke` in Auth0's words. */
import type { ErrorResponse } from '../../../core/dialect.js';
import type { Refusal } from '../../../core/refusal.js';

export function errorWords(refusal: Refusal): ErrorResponse {
  switch (refusal.reason) {
    case 'client_unauthenticated':
      return response(401, 'access_denied', 'Unauthorized');
    case 'grant_type_not_allowed':
      return grantTypeNotAllowed(refusal.grantType);
    case 'parameter_missing':
      return response(400, 'invalid_request', `Missing required parameter: ${refusal.name}`);
    case 'realm_unknown':
      return response(400, 'invalid_request', 'the connection was not found');
    case 'default_realm_missing':
      return response(500, 'server_error', 'Authorization server not configured with default connection.');
    case 'credentials_wrong':
      return response(403, 'invalid_grant', 'Wrong email or password.');
    case 'user_blocked':
      return response(403, 'unauthorized', 'user is blocked');
    case 'audience_missing':
      return response(403, 'access_denied', 'Non-global clients are not allowed access to APIv1');
    case 'audience_unknown':
      return response(
        403,
        'access_denied',
        `Service not enabled within domain: ${printable(refusal.audience)}`,
      );
    case 'audience_not_granted':
      return response(
        403,
        'access_denied',
        `Client is not authorized to access "${refusal.audience}". You need to create a "client-grant" associated to this API. ` +
          'See: https://auth0.com/docs/api/management/v2/client-grants/post-client-grants',
      );
    case 'scopes_not_granted':
      return response(
        403,
        'access_denied',
        `Client has not been granted scopes: ${refusal.scopes.join(' ')}`,
      );
    case 'refresh_token_invalid':
      return response(403, 'invalid_grant', 'Unknown or invalid refresh token.');
    case 'refresh_user_blocked':
      return response(403, 'invalid_grant', 'user is blocked');
    case 'refresh_user_gone':
      return response(
        403,
        'invalid_grant',
        "The refresh_token was generated for a user who doesn't exist anymore.",
      );
    case 'token_of_another_client':
      return response(400, 'invalid_request', 'The token was not issued to this client.');
    case 'overloaded':
      return {
        ...response(503, 'temporarily_unavailable', 'Too much to do at the moment; try again later.'),
        retryAfterSeconds: refusal.retryAfterSeconds,
      };
    case 'path_unknown':
      return response(404, 'invalid_request', 'There is nothing here.');
    default:
      return refusal satisfies never;
  }
}

function response(status: number, error: string, description: string): ErrorResponse {
  return { status, body: { error, error_description: description } };
}

function grantTypeNotAllowed(grantType: string): ErrorResponse {
  return {
    status: 403,
    body: {
      error: 'unauthorized_client',
      error_description: `Grant type '${grantType}' not allowed for the client.`,
      error_uri: 'https://auth0.com/docs/clients/client-grant-types',
    },
  };
}

/** RFC 6749 section 5.2 allows `error_description` printable ASCII without `"` and `\`. */
function printable(text: string): string {
  return text.slice(0, 200).replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?');
}

/** RFC 6749 section 4.4, under Auth0's rule that a client needs a client grant for the API. */
import type { Client } from '../../../core/clients.js';
import type { Api } from '../../../core/directory.js';
import type { Grant } from '../../../core/grant.js';
import { Refused } from '../../../core/refusal.js';
import { splitScope } from '../../../core/scopes.js';
import { requestedApi } from './token-request.js';

export const clientCredentialsGrant: Grant = async (context) => {
  const api = requestedApi(context);
  if (!api) throw new Refused({ reason: 'audience_missing' });
  const scopes = clientScopes(context.client, api, context.parameters['scope']);
  const { accessToken, expiresInSeconds, tokenType } = await context.issueClientToken({ api, scopes });
  return {
    access_token: accessToken,
    ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    expires_in: expiresInSeconds,
    token_type: tokenType,
  };
};

function clientScopes(client: Client, api: Api, scope: string | undefined): readonly string[] {
  const granted = client.ownScopes.get(api.identifier);
  if (!granted) throw new Refused({ reason: 'audience_not_granted', audience: api.identifier });
  const requested = splitScope(scope);
  const refused = requested.filter((name) => !granted.includes(name));
  if (refused.length > 0) throw new Refused({ reason: 'scopes_not_granted', scopes: refused });
  return requested.length > 0 ? requested : granted;
}

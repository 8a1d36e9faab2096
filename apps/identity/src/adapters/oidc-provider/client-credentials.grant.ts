/** RFC 6749 section 4.4, under Auth0's rule that a client needs a client grant for the API. */
import type { Api, Client, Directory } from '../../core/directory.js';
import { splitScope } from '../../core/granted-scopes.js';
import { audienceRequired, noClientGrant, scopesNotGranted } from '../../dialects/auth0/auth0-error.js';
import { resourceServerOf } from './resource-server.js';
import { authenticatedClient, requestedApi, type GrantContext } from './token-request.js';

export function clientCredentialsGrant(directory: Directory) {
  return async (ctx: GrantContext): Promise<void> => {
    const { client, params, provider } = ctx.oidc;
    const api = requestedApi(params, directory);
    if (!api) throw audienceRequired();
    const scopes = clientScopes(authenticatedClient(ctx, directory), api, params.scope);

    const token = new provider.ClientCredentials({ client, scope: scopes.join(' ') });
    token.resourceServer = new provider.ResourceServer(api.identifier, resourceServerOf(api));
    ctx.body = {
      access_token: await token.save(),
      ...(scopes.length > 0 && { scope: scopes.join(' ') }),
      expires_in: token.expiration,
      token_type: token.tokenType,
    };
  };
}

function clientScopes(client: Client, api: Api, scope: string | undefined): readonly string[] {
  const granted = client.clientGrants.get(api.identifier);
  if (!granted) throw noClientGrant(api.identifier);
  const requested = splitScope(scope);
  const refused = requested.filter((name) => !granted.includes(name));
  if (refused.length > 0) throw scopesNotGranted(refused);
  return requested.length > 0 ? requested : granted;
}

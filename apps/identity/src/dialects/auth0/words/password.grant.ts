/** RFC 6749 section 4.3 as in Auth0: the user's password for tokens, for an API or for `/userinfo` only. */
import type { Directory } from '../../../core/directory.js';
import type { Grant, GrantContext, IssuedUserTokens } from '../../../core/grant.js';
import { Refused } from '../../../core/refusal.js';
import { grantedScopes, scopeWhenDifferent } from './granted-scopes.js';
import { requestedApi, required } from './token-request.js';

export const passwordGrant: Grant = (context) => logIn(context, () => undefined);

/** `password` with the name of a connection. */
export const passwordRealmGrant: Grant = (context) =>
  logIn(context, () => required(context.parameters, 'realm'));

async function logIn(context: GrantContext, readRealm: () => string | undefined) {
  const { client, directory, parameters } = context;
  // Checks of the client come first: what it may request does not depend on the user.
  const api = requestedApi(context);
  const realm = knownRealm(readRealm(), directory);
  const username = required(parameters, 'username');
  const password = required(parameters, 'password');
  const user = await context.checkPassword({ username, password, realm });
  const scope = parameters['scope'];
  const scopes = grantedScopes({ scope, user, client, api });
  const issued = await context.issueUserTokens({ user, api, scopes, grantType: 'password' });
  return tokenResponse(issued, scopeWhenDifferent(scope, scopes));
}

function knownRealm(requested: string | undefined, { realms, defaultRealm }: Directory): string {
  const realm = requested ?? defaultRealm;
  if (realm === undefined) throw new Refused({ reason: 'default_realm_missing' });
  if (!realms.has(realm)) throw new Refused({ reason: 'realm_unknown' });
  return realm;
}

function tokenResponse(issued: IssuedUserTokens, scope: string | undefined) {
  return {
    access_token: issued.accessToken,
    ...(issued.refreshToken !== undefined && { refresh_token: issued.refreshToken }),
    ...(issued.idToken !== undefined && { id_token: issued.idToken }),
    ...(scope !== undefined && { scope }),
    expires_in: issued.expiresInSeconds,
    token_type: issued.tokenType,
  };
}

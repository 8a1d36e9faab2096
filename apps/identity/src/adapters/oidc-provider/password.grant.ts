/** RFC 6749 section 4.3 as in Auth0: the user's password for tokens, for an API or for `/userinfo` only. */
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import type { CredentialCheck } from '../../core/credential-check.js';
import type { Api, Client, Directory, User } from '../../core/directory.js';
import { grantedScopes, oidcScopes, scopeWhenDifferent } from '../../core/granted-scopes.js';
import {
  blockedAtLogin,
  noDefaultDirectory,
  unknownConnection,
  wrongCredentials,
} from '../../dialects/auth0/auth0-error.js';
import { claimsOf } from './claims.js';
import { resourceServerOf } from './resource-server.js';
import { authenticatedClient, requestedApi, required, type GrantContext } from './token-request.js';

/** One log-in attempt, for the log. Codes are Auth0's: `sepft` success, `fepft` failure. */
export interface LoginAttempt {
  readonly type: 'sepft' | 'fepft';
  readonly clientId: string;
  /** Only for an attempt with the right password. */
  readonly userId?: string;
  /** The end user's address: from `auth0-forwarded-for` of a trusted client, otherwise the peer's. */
  readonly address: string;
}

export interface PasswordGrantOptions {
  readonly directory: Directory;
  readonly credentialCheck: CredentialCheck;
  readonly onAttempt: (attempt: LoginAttempt) => void;
  /** Throws when there is no room for the entries of a log-in. */
  readonly assertRoom: () => void;
}

/** `password`, or with `realmRequired` Auth0's `password-realm`. */
export function passwordGrant(options: PasswordGrantOptions, { realmRequired }: { realmRequired: boolean }) {
  const { directory } = options;
  return async (ctx: GrantContext): Promise<void> => {
    const { params } = ctx.oidc;
    // Checks of the client come first: what it may request does not depend on the user.
    const api = requestedApi(params, directory);
    const realm = connectionFor(realmRequired ? required(params, 'realm') : undefined, directory);
    const username = required(params, 'username');
    const password = required(params, 'password');
    const user = await authenticate(ctx, options, { username, password, realm });
    await issueTokens(ctx, options, user, api);
  };
}

function connectionFor(realm: string | undefined, { connections, defaultDirectory }: Directory): string {
  if (realm === undefined && defaultDirectory === undefined) throw noDefaultDirectory();
  const connection = realm ?? defaultDirectory;
  if (connection === undefined || !connections.has(connection)) throw unknownConnection();
  return connection;
}

async function authenticate(
  ctx: GrantContext,
  { credentialCheck, directory, onAttempt }: PasswordGrantOptions,
  credentials: Parameters<CredentialCheck['check']>[0],
): Promise<User> {
  const client = authenticatedClient(ctx, directory);
  const attempt = { clientId: client.clientId, address: endUserAddress(ctx, client) };
  const verdict = await credentialCheck.check(credentials);
  if (!verdict.ok) {
    onAttempt({ ...attempt, type: 'fepft' });
    throw wrongCredentials();
  }
  const { userId, blocked } = verdict.user;
  onAttempt({ ...attempt, type: blocked ? 'fepft' : 'sepft', userId });
  // Only after the right password: otherwise it would reveal which accounts exist.
  if (blocked) throw blockedAtLogin();
  return verdict.user;
}

function endUserAddress(ctx: GrantContext, client: Client): string {
  const forwarded = ctx.get('auth0-forwarded-for');
  return client.tokenEndpointIpHeaderTrusted && isIP(forwarded) ? forwarded : ctx.ip;
}

async function issueTokens(
  ctx: GrantContext,
  { directory, assertRoom }: PasswordGrantOptions,
  user: User,
  api: Api | undefined,
): Promise<void> {
  const { client, params, provider } = ctx.oidc;
  const seedClient = authenticatedClient(ctx, directory);
  const scopes = grantedScopes({ scope: params.scope, user, client: seedClient, api });
  const scope = scopes.join(' ');
  const offline = scopes.includes('offline_access');
  // A JWT is not stored.
  if (offline || !api) assertRoom();
  // Only a refresh reads the grant again; without one its id is just a name.
  const grantId = offline ? await saveGrant(ctx, user, scopes, api) : randomUUID();
  const issued = { accountId: user.userId, client, gty: 'password', scope, grantId };

  const accessToken = new provider.AccessToken(issued);
  if (api) accessToken.resourceServer = new provider.ResourceServer(api.identifier, resourceServerOf(api));
  const different = scopeWhenDifferent(params.scope, scopes);
  ctx.body = {
    access_token: await accessToken.save(),
    ...(offline && {
      refresh_token: await new provider.RefreshToken({
        ...issued,
        ...(api && { resource: api.identifier }),
      }).save(),
    }),
    ...(scopes.includes('openid') && { id_token: await idToken(ctx, user, scopes) }),
    ...(different !== undefined && { scope: different }),
    expires_in: accessToken.expiration,
    token_type: accessToken.tokenType,
  };
}

/** The assumed consent of the user: the bounds of every later refresh. */
async function saveGrant(
  ctx: GrantContext,
  user: User,
  scopes: readonly string[],
  api: Api | undefined,
): Promise<string> {
  const { client, provider } = ctx.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: user.userId });
  grant.addOIDCScope(scopes.filter((name) => oidcScopes.includes(name)).join(' '));
  if (api) grant.addResourceScope(api.identifier, scopes.join(' '));
  return grant.save();
}

async function idToken(ctx: GrantContext, user: User, scopes: readonly string[]): Promise<string> {
  const token = new ctx.oidc.provider.IdToken(claimsOf(user), { ctx });
  // oidc-provider picks the claims by this property; its type leaves it out.
  Object.assign(token, { scope: scopes.join(' ') });
  return token.issue({ use: 'idtoken' });
}

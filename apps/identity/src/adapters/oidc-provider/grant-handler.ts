/** A grant of the core as a grant type of oidc-provider, whose models make the tokens. */
import { randomUUID } from 'node:crypto';
import { isIP } from 'node:net';
import type { TokenEndpointGrantContext } from 'oidc-provider';
import { checkPassword, type PasswordCheck } from '../../core/check-password.js';
import { claimsOf } from '../../core/claims.js';
import { nowInSeconds, type Clock } from '../../core/clock.js';
import type { Client } from '../../core/clients.js';
import type { Directory, User } from '../../core/directory.js';
import type { ClientToken, Grant, IssuedToken, IssuedUserTokens, UserTokens } from '../../core/grant.js';
import { oidcScopes } from '../../core/scopes.js';
import { errors } from './oidc-provider.js';
import { aheadSeconds } from './provider-time.js';
import { resourceServerOf } from './resource-server.js';

type Parameters = Readonly<Record<string, string | undefined>>;
type Context = TokenEndpointGrantContext<Parameters>;

export interface GrantHandlerOptions extends PasswordCheck {
  readonly directory: Directory;
  /** @throws {Overloaded} when there is no room for the entries of a log-in */
  readonly assertRoom: () => void;
  readonly endUserAddressHeader: string;
  readonly clock: Clock;
}

export function grantHandler(grant: Grant, options: GrantHandlerOptions) {
  const { directory } = options;
  return async (ctx: Context): Promise<void> => {
    const client = directory.clients.find(ctx.oidc.client.clientId);
    if (!client) throw new errors.InvalidClientAuth('the client has just been disabled');
    const by = { clientId: client.clientId, address: endUserAddress(ctx, client, options) };
    ctx.body = await grant({
      client,
      directory,
      parameters: ctx.oidc.params,
      checkPassword: (credentials) => checkPassword(options, credentials, by),
      issueUserTokens: (tokens) => issueUserTokens(ctx, options, tokens),
      issueClientToken: (token) => issueClientToken(ctx, token),
    });
  };
}

function endUserAddress(ctx: Context, client: Client, { endUserAddressHeader }: GrantHandlerOptions): string {
  const named = ctx.get(endUserAddressHeader);
  return client.endUserAddressTrusted && isIP(named) ? named : ctx.ip;
}

async function issueClientToken(ctx: Context, { api, scopes }: ClientToken): Promise<IssuedToken> {
  const { client, provider } = ctx.oidc;
  const token = new provider.ClientCredentials({ client, scope: scopes.join(' ') });
  token.resourceServer = new provider.ResourceServer(api.identifier, resourceServerOf(api));
  return {
    accessToken: await token.save(),
    expiresInSeconds: token.expiration,
    tokenType: token.tokenType,
  };
}

async function issueUserTokens(
  ctx: Context,
  { assertRoom, clock }: GrantHandlerOptions,
  tokens: UserTokens,
): Promise<IssuedUserTokens> {
  const { client, provider } = ctx.oidc;
  const { user, api, scopes, grantType: gty } = tokens;
  const offline = scopes.includes('offline_access');
  // A JWT is not stored.
  if (offline || !api) assertRoom();
  // Only a refresh reads the grant again; without one its id is just a name.
  const grantId = offline ? await saveGrant(ctx, tokens) : randomUUID();
  const issued = { accountId: user.userId, client, gty, scope: scopes.join(' '), grantId };

  const accessToken = new provider.AccessToken(issued);
  if (api) accessToken.resourceServer = new provider.ResourceServer(api.identifier, resourceServerOf(api));
  return {
    accessToken: await accessToken.save(),
    ...(offline && {
      refreshToken: await new provider.RefreshToken({
        ...issued,
        ...(api && { resource: api.identifier }),
      }).save(),
    }),
    ...(scopes.includes('openid') && { idToken: await idToken(ctx, user, scopes, clock) }),
    expiresInSeconds: accessToken.expiration,
    tokenType: accessToken.tokenType,
  };
}

/** The assumed consent of the user: the bounds of every later refresh. */
async function saveGrant(ctx: Context, { user, api, scopes }: UserTokens): Promise<string> {
  const { client, provider } = ctx.oidc;
  const grant = new provider.Grant({ clientId: client.clientId, accountId: user.userId });
  grant.addOIDCScope(scopes.filter((name) => oidcScopes.includes(name)).join(' '));
  if (api) grant.addResourceScope(api.identifier, scopes.join(' '));
  return grant.save();
}

async function idToken(ctx: Context, user: User, scopes: readonly string[], clock: Clock): Promise<string> {
  const token = new ctx.oidc.provider.IdToken(claimsOf(user), { ctx });
  // oidc-provider picks the claims by this property; its type leaves it out.
  Object.assign(token, { scope: scopes.join(' ') });
  // Otherwise oidc-provider's own, of the second that `exp` is counted from.
  if (aheadSeconds(clock) !== 0) token.set('iat', Math.floor(nowInSeconds(clock)));
  return token.issue({ use: 'idtoken' });
}

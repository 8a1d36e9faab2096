import { randomBytes } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { ClientMetadata, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import type { CredentialCheck, UserDirectory } from '../../core/credential-check.js';
import type { Api, Client, Directory } from '../../core/directory.js';
import { oidcScopes } from '../../core/granted-scopes.js';
import { Overloaded } from '../../core/overloaded.js';
import { applyDialect } from '../../dialects/auth0/access-token-dialect.js';
import {
  Auth0Error,
  blockedAtRefresh,
  foreignToken,
  inAuth0Dialect,
  unknownAudience,
  userGone,
} from '../../dialects/auth0/auth0-error.js';
import { claimsByScope, claimsOf } from './claims.js';
import { clientCredentialsGrant } from './client-credentials.grant.js';
import { createMemoryAdapters, type MemoryAdapters, type MemoryOptions } from './memory-adapter.js';
import { Provider } from './oidc-provider.js';
import { passwordGrant, type LoginAttempt } from './password.grant.js';
import { resourceServerOf } from './resource-server.js';
import type { SigningKeys } from './signing-keys.js';
import { tokenRequestParameters } from './token-request.js';

export interface ProviderOptions {
  /** `iss` of every token, with a final slash as at Auth0. */
  readonly issuer: string;
  readonly directory: Directory;
  readonly credentialCheck: CredentialCheck;
  readonly users: UserDirectory;
  readonly signingKeys: SigningKeys;
  readonly onAttempt: (attempt: LoginAttempt) => void;
  /** A request that was refused for now. */
  readonly onOverload: (reason: Overloaded) => void;
  /** A fault of ours: the client learns nothing about it. */
  readonly onFault: (error: Error) => void;
  readonly memory?: MemoryOptions | undefined;
}

/** Auth0's defaults for tokens without a lifetime from an API. */
const opaqueAccessTokenLifetimeSeconds = 86_400;
const idTokenLifetimeSeconds = 36_000;

/** oidc-provider with Auth0's paths, grants and errors. */
export function createProvider(options: ProviderOptions): Provider {
  const { directory, credentialCheck, onAttempt } = options;
  const { adapter, assertRoomForLogIn } = createMemoryAdapters({
    ...options.memory,
    refreshTokenLeewaySeconds: (clientId) => known(directory.clients.get(clientId)).refreshTokenLeewaySeconds,
  });
  const provider = new Provider(options.issuer, configuration(options, adapter));
  // `ctx.ip`, `ctx.host` and `ctx.protocol` come from the headers that `oidcRequest` writes.
  provider.proxy = true;

  const grant = { directory, credentialCheck, onAttempt, assertRoom: assertRoomForLogIn };
  const parameters = [...tokenRequestParameters];
  provider.registerGrantType('password', passwordGrant(grant, { realmRequired: false }), parameters);
  provider.registerGrantType(
    'http://auth0.com/oauth/grant-type/password-realm',
    passwordGrant(grant, { realmRequired: true }),
    parameters,
  );
  provider.registerGrantType('client_credentials', clientCredentialsGrant(directory), parameters);

  speakAuth0(provider, options);
  return provider;
}

function configuration(options: ProviderOptions, adapter: MemoryAdapters['adapter']): Configuration {
  const { directory, signingKeys, users, issuer } = options;
  const clientOf = (clientId: string | undefined) => known(directory.clients.get(clientId ?? ''));
  return {
    adapter,
    claims: Object.fromEntries(Object.entries(claimsByScope).map(([scope, names]) => [scope, [...names]])),
    clientAuthMethods: ['client_secret_post', 'client_secret_basic'],
    clients: [...directory.clients.values()].map(clientMetadata),
    // Auth0 also puts the claims of scope profile and email into the ID token.
    conformIdTokenClaims: false,
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    enabledJWA: { idTokenSigningAlgValues: ['RS256'] },
    features: {
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_ctx, identifier) => resourceServerOf(knownApi(directory, identifier)),
        // A refresh keeps the audience of the log-in.
        useGrantedResource: () => true,
      },
      revocation: {
        enabled: true,
        allowedPolicy: (_ctx, client, token) => {
          if (token.clientId !== client.clientId) throw foreignToken();
          return true;
        },
      },
      rpInitiatedLogout: { enabled: false },
    },
    findAccount: async (_ctx, userId) => {
      const user = await users.find(userId);
      if (!user) throw userGone();
      if (user.blocked) throw blockedAtRefresh();
      return { accountId: user.userId, claims: () => claimsOf(user) };
    },
    formats: {
      customizers: {
        jwt: async (_ctx, token, jwt) => {
          const api = knownApi(directory, token.resourceServer?.identifier() ?? '');
          const user = token.kind === 'AccessToken' ? known(await users.find(token.accountId)) : undefined;
          applyDialect(jwt, { token, api, user, issuer });
        },
      },
    },
    jwks: { keys: [...signingKeys.keys] },
    // There is no log-in by a browser here.
    responseTypes: [],
    rotateRefreshToken: true,
    routes: {
      authorization: '/authorize',
      jwks: '/.well-known/jwks.json',
      revocation: '/oauth/revoke',
      token: '/oauth/token',
      userinfo: '/userinfo',
    },
    scopes: [...oidcScopes],
    ttl: {
      AccessToken: (_ctx, token) =>
        accessTokenLifetimeSeconds(clientOf(token.clientId), token.resourceServer),
      ClientCredentials: (_ctx, token) =>
        accessTokenLifetimeSeconds(clientOf(token.clientId), token.resourceServer),
      Grant: (_ctx, grant) => clientOf(grant.clientId).refreshTokenLifetimeSeconds,
      IdToken: idTokenLifetimeSeconds,
      RefreshToken: (ctx, token) =>
        // Rotation never extends the life that starts at the log-in.
        Math.max(
          1,
          ctx.oidc.entities.RotatedRefreshToken?.remainingTTL ??
            clientOf(token.clientId).refreshTokenLifetimeSeconds,
        ),
    },
  };
}

function clientMetadata(client: Client): ClientMetadata {
  return {
    client_id: client.clientId,
    client_secret: client.clientSecret,
    grant_types: [...client.grantTypes],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: 'client_secret_post',
  };
}

function accessTokenLifetimeSeconds(
  client: Client,
  resourceServer: { readonly accessTokenTTL?: number | undefined } | undefined,
): number {
  return (
    client.accessTokenLifetimeSeconds ?? resourceServer?.accessTokenTTL ?? opaqueAccessTokenLifetimeSeconds
  );
}

function speakAuth0(provider: Provider, { onFault, onOverload }: ProviderOptions): void {
  const rephrase = (ctx: KoaContextWithOIDC, error: Error) => {
    const response = inAuth0Dialect(ctx, error);
    if (!response) return;
    if (response.retryAfterSeconds !== undefined) ctx.set('retry-after', String(response.retryAfterSeconds));
    ctx.status = response.status;
    ctx.body = response.body;
  };
  provider.on('grant.error', rephrase);
  provider.on('revocation.error', rephrase);
  provider.on('server_error', (ctx, error) => {
    rephrase(ctx, error);
    if (error instanceof Overloaded) onOverload(error);
    else if (!(error instanceof Auth0Error)) onFault(error);
  });
  const app: EventEmitter = provider;
  app.on('error', onFault);
  provider.use(async (ctx, next) => {
    if (ctx.method === 'POST') ctx.set({ 'cache-control': 'no-store', pragma: 'no-cache' });
    await next();
    // oidc-provider's own words repeat the path.
    if (ctx.status !== 404) return;
    ctx.status = 404;
    ctx.body = { error: 'invalid_request', error_description: 'There is nothing here.' };
  });
}

function knownApi(directory: Directory, identifier: string): Api {
  const api = directory.apis.get(identifier);
  if (!api) throw unknownAudience(identifier);
  return api;
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a token refers to a client or user that is not in the directory');
  return value;
}

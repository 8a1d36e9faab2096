import { randomBytes } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import type { AccessToken, ClientCredentials, Configuration, KoaContextWithOIDC } from 'oidc-provider';
import type { PasswordCheck } from '../../core/check-password.js';
import { claimsByScope, claimsOf } from '../../core/claims.js';
import type { Clock } from '../../core/clock.js';
import type { UserDirectory } from '../../core/credential-check.js';
import type { AccessTokenSubject, Dialect } from '../../core/dialect.js';
import type { Api, Directory } from '../../core/directory.js';
import { Overloaded } from '../../core/overloaded.js';
import { Refused, type Refusal } from '../../core/refusal.js';
import { oidcScopes, splitScope } from '../../core/scopes.js';
import { ClientAdapter } from './client-adapter.js';
import { grantHandler } from './grant-handler.js';
import type { MemoryAdapters } from './memory-adapter.js';
import { errors, Provider } from './oidc-provider.js';
import { aheadSeconds, toClockTime } from './provider-time.js';
import { refusalOf } from './refusal-of.js';
import { resourceServerOf } from './resource-server.js';
import type { SigningKeys } from './signing-keys.js';

export interface ProviderOptions extends PasswordCheck {
  /** `iss` of every token. */
  readonly issuer: string;
  readonly dialect: Dialect;
  readonly directory: Directory;
  readonly users: UserDirectory;
  readonly signingKeys: SigningKeys;
  readonly clock: Clock;
  /** Sessions and grants. They outlive the provider. */
  readonly memory: MemoryAdapters;
  readonly onRefreshToken: (refreshToken: string) => void;
  /** A request that was refused for now. */
  readonly onOverload: (reason: Overloaded) => void;
  /** A fault of ours: the client learns nothing about it. */
  readonly onFault: (error: Error) => void;
}

/** oidc-provider with the paths, grants and errors of a dialect. It takes its signing keys once and for all. */
export function createProvider(options: ProviderOptions): Provider {
  const { dialect, memory } = options;
  const provider = new Provider(options.issuer, configuration(options));
  // `ctx.ip`, `ctx.host` and `ctx.protocol` come from the headers that `oidcRequest` writes.
  provider.proxy = true;

  const { endUserAddressHeader } = dialect;
  const handling = { ...options, endUserAddressHeader, assertRoom: memory.assertRoomForLogIn };
  for (const [grantType, grant] of Object.entries(dialect.grants)) {
    provider.registerGrantType(grantType, grantHandler(grant, handling), [...dialect.grantParameters]);
  }

  provider.on('refresh_token.saved', ({ jti }) => options.onRefreshToken(jti));
  speak(provider, options);
  return provider;
}

function configuration(options: ProviderOptions): Configuration {
  const { clock, dialect, directory, memory, signingKeys, users } = options;
  const clients = new ClientAdapter(directory.clients);
  const clientOf = (clientId: string | undefined) => {
    const client = directory.clients.get(clientId ?? '');
    if (!client) throw new errors.InvalidClientAuth('the client has just been removed');
    return client;
  };
  const accessTokenLifetimeSeconds = (token: AccessToken | ClientCredentials) =>
    clientOf(token.clientId).accessTokenLifetimeSeconds ??
    token.resourceServer?.accessTokenTTL ??
    dialect.lifetimes.opaqueAccessTokenSeconds;
  return {
    adapter: (model: string) => (model === 'Client' ? clients : memory.adapter(model)),
    claims: Object.fromEntries(Object.entries(claimsByScope).map(([scope, names]) => [scope, [...names]])),
    clientAuthMethods: ['client_secret_post', 'client_secret_basic'],
    // The claims of scope profile and email are in the ID token, too.
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
          if (token.clientId !== client.clientId) throw new Refused({ reason: 'token_of_another_client' });
          return true;
        },
      },
      rpInitiatedLogout: { enabled: false },
    },
    findAccount: async (_ctx, userId) => {
      const user = await users.find(userId);
      if (!user) throw new Refused({ reason: 'refresh_user_gone' });
      if (user.blocked) throw new Refused({ reason: 'refresh_user_blocked' });
      return { accountId: user.userId, claims: () => claimsOf(user) };
    },
    formats: {
      customizers: {
        jwt: async (_ctx, token, jwt) => {
          const form = { header: jwt.header ?? {}, payload: toClockTime(jwt.payload, clock) };
          Object.assign(jwt, dialect.formAccessToken(form, await subjectOf(token, options)));
        },
      },
    },
    jwks: { keys: [...signingKeys.keys] },
    // There is no log-in by a browser here.
    responseTypes: [],
    rotateRefreshToken: true,
    routes: { ...dialect.paths },
    scopes: [...oidcScopes],
    ttl: {
      AccessToken: (_ctx, token) => accessTokenLifetimeSeconds(token),
      ClientCredentials: (_ctx, token) => accessTokenLifetimeSeconds(token),
      Grant: (_ctx, grant) => clientOf(grant.clientId).refreshTokenLifetimeSeconds,
      // Counted from the process's time, so that an ID token cannot end before it, and one of a refresh has its `iat`.
      IdToken: () => Math.max(1, dialect.lifetimes.idTokenSeconds + aheadSeconds(clock)),
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

async function subjectOf(
  token: AccessToken | ClientCredentials,
  { directory, issuer, users }: ProviderOptions,
): Promise<AccessTokenSubject> {
  const isUsers = token.kind === 'AccessToken';
  return {
    issuer,
    api: knownApi(directory, token.resourceServer?.identifier() ?? ''),
    clientId: token.clientId ?? '',
    user: isUsers ? known(await users.find(token.accountId)) : undefined,
    scopes: splitScope(token.scope),
    // oidc-provider writes "password refresh_token" for a refreshed token.
    grantType: isUsers ? (token.gty.split(' ').at(-1) ?? token.gty) : 'client_credentials',
  };
}

/** Rewords every error that the dialect has words for. */
function speak(provider: Provider, { dialect, onFault, onOverload }: ProviderOptions): void {
  const say = (ctx: Pick<KoaContextWithOIDC, 'set' | 'status' | 'body'>, refusal: Refusal) => {
    const { status, body, retryAfterSeconds } = dialect.errorWords(refusal);
    if (retryAfterSeconds !== undefined) ctx.set('retry-after', String(retryAfterSeconds));
    ctx.status = status;
    ctx.body = body;
  };
  const reword = (ctx: KoaContextWithOIDC, error: Error) => {
    const refusal = refusalOf(ctx, error);
    if (refusal) say(ctx, refusal);
  };
  provider.on('grant.error', reword);
  provider.on('revocation.error', reword);
  provider.on('server_error', (ctx, error) => {
    reword(ctx, error);
    if (error instanceof Overloaded) onOverload(error);
    else if (!(error instanceof Refused)) onFault(error);
  });
  const app: EventEmitter = provider;
  app.on('error', onFault);
  provider.use(async (ctx, next) => {
    if (ctx.method === 'POST') ctx.set({ 'cache-control': 'no-store', pragma: 'no-cache' });
    await next();
    // oidc-provider's own words repeat the path.
    if (ctx.status === 404) say(ctx, { reason: 'path_unknown' });
  });
}

function knownApi(directory: Directory, identifier: string): Api {
  const api = directory.apis.get(identifier);
  if (!api) throw new Refused({ reason: 'audience_unknown', audience: identifier });
  return api;
}

function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a token is issued to a user who is not in the directory');
  return value;
}

import {
  defineSettings,
  issuerUrl,
  list,
  readSettings,
  scope,
  secretList,
  serviceSettings,
  StartError,
  text,
  TlsSettings,
  visibleAscii,
  wholeNumber,
  type Environment,
  type Settings,
  PUBLISHED_SECRETS,
} from '@app/ops';
import { redisSettings, storeOptions } from '@app/store-settings';
import { FORMER_NAMES } from '@app/contract';
import { isLoopback } from '@app/wire';
import { z } from 'zod';
import type { IssuerProxy } from './adapters/auth0/issuer-fetch.js';

const DAY_SECONDS = 24 * 3600;
const PROXY_EXPECTED = 'must be the URL of a proxy, such as http://proxy.example:8080';

/** Checks the characters only. `proxyOf` checks the rest, and only for a proxy in use. */
function proxyUrl(): z.ZodType<string> {
  return text(/^[\x21-\x7e]+$/, PROXY_EXPECTED);
}

/** Certificates for connections from clients. */
export const connectionTls = new TlsSettings('USER_TOKEN_TLS', 'server', 'clients');

/** Environment variables of user-token. */
export const userTokenSettings = defineSettings({
  ...serviceSettings({ port: 3003, opsPort: 9003 }),
  AUTH0_ISSUER_URL: {
    schema: issuerUrl(),
    doc: 'issuer, with its trailing slash, e.g. https://acme-dev.auth0.com/',
    localDefault: 'http://localhost:3002/',
    localOnly: ['http://localhost:3002/'],
  },
  AUTH0_AUDIENCE: {
    schema: list(),
    doc: 'API identifiers, comma-separated; log-ins ask for the first',
    localDefault: 'https://api.venue.example/',
  },
  AUTH0_CLIENT_ID: {
    schema: visibleAscii(),
    doc: 'client ID of this deployment at Auth0',
    localDefault: 'venue-suite',
    localOnly: ['venue-suite', 'brief'],
  },
  AUTH0_CLIENT_SECRET: {
    schema: visibleAscii(),
    doc: 'secret of the client AUTH0_CLIENT_ID',
    secret: true,
    localDefault: PUBLISHED_SECRETS.auth0Client,
  },
  AUTH0_REALM: {
    schema: text().optional(),
    doc: 'connection for log-ins; unset: the default directory of the tenant',
  },
  AUTH0_SCOPE: {
    schema: scope(),
    doc: "scopes of each log-in, OpenID's and the API's, separated by spaces",
    default: 'openid profile email offline_access read:venues write:venues',
  },
  ...redisSettings,
  SESSION_SECRETS: {
    schema: secretList(),
    doc: 'secrets of 32 characters or more, comma-separated; the first one seals sessions, all of them open sessions',
    secret: true,
    localDefault: PUBLISHED_SECRETS.session,
  },
  SESSION_IDLE_SECONDS: {
    schema: wholeNumber(60, 365 * DAY_SECONDS),
    doc: 'longest time between two refreshes of a session, in seconds',
    default: String(30 * DAY_SECONDS),
  },
  SESSION_ABSOLUTE_SECONDS: {
    schema: wholeNumber(1, 365 * DAY_SECONDS),
    doc: 'longest life of a session, whatever its refreshes, in seconds',
    default: String(90 * DAY_SECONDS),
  },
  REFRESH_EXPIRED_LIMIT_SECONDS: {
    schema: wholeNumber(0, 365 * DAY_SECONDS),
    doc: 'longest time from the expiry of an access token to its refresh, in seconds',
    default: String(30 * DAY_SECONDS),
  },
  REFRESH_REUSE_DETECTION_SECONDS: {
    schema: wholeNumber(600, 30 * DAY_SECONDS),
    doc: 'how long an old access token still ends its session after a refresh, in seconds',
    default: String(DAY_SECONDS),
  },
  REFRESH_REPLAY_WINDOW_SECONDS: {
    schema: wholeNumber(1, 600),
    doc: 'how long an old access token still gets the answer of its refresh, in seconds; after that it ends its session',
    default: '30',
  },
  OAUTH_REFRESH_REUSE_SECONDS: {
    schema: wholeNumber(0, 600),
    doc: 'how long an old refresh token of a registered client still gets the answer of its refresh, in seconds; 0: not at all',
    default: '10',
  },
  LOGIN_ATTEMPTS_PER_ACCOUNT: {
    schema: wholeNumber(1, 1000),
    doc: 'wrong passwords for one account within the window; further log-ins are refused without a question to Auth0',
    default: '10',
  },
  LOGIN_ATTEMPTS_PER_ADDRESS: {
    schema: wholeNumber(1, 1_000_000),
    doc: 'wrong passwords from one client address (IPv6: one /64) within the window',
    default: '100',
  },
  LOGIN_ATTEMPTS_WINDOW_SECONDS: {
    schema: wholeNumber(1, DAY_SECONDS),
    doc: 'window of both limits, from the first wrong password, in seconds',
    default: '900',
  },
  LOGIN_DENIAL_DESCRIPTIONS: {
    schema: z.enum(['pass', 'hide'], { message: 'must be pass or hide' }),
    doc: 'text of an Auth0 Action that denies a log-in: pass (to the user) or hide',
    default: 'hide',
  },
  CLOCK_TOLERANCE_SECONDS: {
    schema: wholeNumber(0, 60),
    doc: 'how far the clock of Auth0 may be ahead of ours, for nbf and iat, in seconds',
    default: '5',
    // The bundled server has our clock.
    localDefault: '1',
  },
  JWKS_MAX_STALE_SECONDS: {
    schema: wholeNumber(600, 7 * DAY_SECONDS),
    doc: 'longest use of known signing keys while Auth0 is away, in seconds',
    default: String(DAY_SECONDS),
  },
  OPAQUE_RECHECK_SECONDS: {
    schema: wholeNumber(10, 3600),
    doc: 'how long an answer of /userinfo counts, in seconds (Auth0 allows 5 a minute per user)',
    default: '300',
  },
  OPAQUE_UNKNOWN_PER_MINUTE: {
    schema: wholeNumber(1, 100_000),
    doc: 'questions of the whole fleet to /userinfo about unknown opaque tokens, per minute, active ones not counted; further unknown tokens get 503',
    default: '100',
  },
  OPAQUE_UNKNOWN_AGE: {
    schema: z.enum(['refuse', 'accept'], { message: 'must be refuse or accept' }),
    doc: 'opaque tokens of other log-ins, within 30 days of the first start on an empty Redis: refuse (503) because they may be revoked, or accept',
    default: 'refuse',
    // A machine for local work has no earlier revocations.
    localDefault: 'accept',
  },
  PRINCIPAL_CLAIMS: {
    schema: list(),
    doc: 'further claims for services, comma-separated',
    default: 'gty,org_id,email,email_verified,name,nickname',
  },
  UPSTREAM_TIMEOUT_MS: {
    schema: wholeNumber(100, 30_000),
    doc: 'deadline of a request to Auth0, in ms',
    default: '5000',
  },
  ISSUER_CHECK_SECONDS: {
    schema: wholeNumber(0, DAY_SECONDS),
    doc: 'time between two checks of these settings at Auth0, for /health/ready, in seconds; each check leaves two failed exchanges in its log; 0: no check after the first success',
    default: '300',
  },
  // Most other programs spell these in lower case, and prefer that.
  HTTPS_PROXY: {
    schema: proxyUrl().optional(),
    doc: 'proxy for an issuer at https, as http://[user:password@]host:port; https_proxy counts as well',
    secret: true,
    aliases: ['https_proxy'],
  },
  HTTP_PROXY: {
    schema: proxyUrl().optional(),
    doc: 'proxy for an issuer at plain http; http_proxy counts as well',
    secret: true,
    aliases: ['http_proxy'],
  },
  NO_PROXY: {
    schema: text().optional(),
    doc: 'hosts without a proxy, comma-separated, * for all; loopback never has one; no_proxy counts as well',
    aliases: ['no_proxy'],
  },
  DENIALS_UNKNOWN: {
    schema: z.enum(['refuse', 'accept'], { message: 'must be refuse or accept' }),
    doc: 'older tokens while the revocations are unknown, because Redis is away at the start or lost them while no user-token ran: refuse (503) or accept',
    default: 'refuse',
  },
  MAX_CONNECTIONS: {
    schema: wholeNumber(1, 100_000),
    doc: 'TCP connections of services at a time; a new one replaces an idle one, or is refused',
    default: '1000',
  },
  MAX_CONNECTIONS_PER_ADDRESS: {
    schema: wholeNumber(1, 100_000),
    doc: 'TCP connections from one address (IPv6: one /64) at a time',
    default: '250',
  },
  MAX_PENDING_CONNECTIONS: {
    schema: wholeNumber(1, 100_000),
    doc: 'connections at a time before their certificate (without TLS: before their first message), for at most 3 s each; a new one replaces the oldest',
    default: '500',
  },
  ...connectionTls.definitions,
});

function isPercentEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** @returns undefined if the issuer has no proxy; an issuer on this machine never has one */
function proxyOf({
  AUTH0_ISSUER_URL: { protocol, hostname },
  NO_PROXY: noProxy = '',
  ...settings
}: Settings<typeof userTokenSettings>): IssuerProxy | undefined {
  const name = protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const given = settings[name];
  if (given === undefined || isLoopback(hostname.replace(/^\[|\]$/g, ''))) return undefined;
  const url = given.includes('://') ? given : `http://${given}`;
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw new StartError(`${name} ${PROXY_EXPECTED}.`);
  const { username, password } = new URL(url);
  if (!isPercentEncoded(username + password)) {
    throw new StartError(`${name} has a "%" in its user or password that begins no escape: write it as %25.`);
  }
  return { url, noProxy };
}

/** @throws {SettingsError | StartError} */
export function readUserTokenConfig(environment: Environment) {
  const settings = readSettings(userTokenSettings, environment);
  const tls = connectionTls.materialOf(settings);
  if (!tls && !isLoopback(settings.HOST) && settings.ENVIRONMENT !== 'local') {
    throw new StartError(
      'user-token would receive access tokens and passwords unencrypted: set USER_TOKEN_TLS_CA, USER_TOKEN_TLS_CERT and USER_TOKEN_TLS_KEY (each also as *_FILE), or HOST=127.0.0.1.',
    );
  }
  return {
    environment: settings.ENVIRONMENT,
    logLevel: settings.LOG_LEVEL,
    host: settings.HOST,
    port: settings.PORT,
    opsHost: settings.OPS_HOST,
    opsPort: settings.OPS_PORT,
    issuer: settings.AUTH0_ISSUER_URL.href,
    audience: settings.AUTH0_AUDIENCE,
    clientId: settings.AUTH0_CLIENT_ID,
    clientSecret: settings.AUTH0_CLIENT_SECRET,
    realm: settings.AUTH0_REALM,
    scope: settings.AUTH0_SCOPE,
    redisUrl: settings.REDIS_URL,
    storeOptions: { ...storeOptions(settings), formerNames: FORMER_NAMES },
    sessionSecrets: settings.SESSION_SECRETS,
    sessionIdleSeconds: settings.SESSION_IDLE_SECONDS,
    sessionAbsoluteSeconds: settings.SESSION_ABSOLUTE_SECONDS,
    refreshExpiredLimitSeconds: settings.REFRESH_EXPIRED_LIMIT_SECONDS,
    reuseDetectionSeconds: settings.REFRESH_REUSE_DETECTION_SECONDS,
    replayWindowSeconds: settings.REFRESH_REPLAY_WINDOW_SECONDS,
    clientReplayWindowSeconds: settings.OAUTH_REFRESH_REUSE_SECONDS,
    attemptLimits: {
      perAccount: settings.LOGIN_ATTEMPTS_PER_ACCOUNT,
      perAddress: settings.LOGIN_ATTEMPTS_PER_ADDRESS,
      windowSeconds: settings.LOGIN_ATTEMPTS_WINDOW_SECONDS,
      defaultRealm: settings.AUTH0_REALM,
    },
    denialDescriptions: settings.LOGIN_DENIAL_DESCRIPTIONS,
    clockToleranceSeconds: settings.CLOCK_TOLERANCE_SECONDS,
    jwksMaxStaleSeconds: settings.JWKS_MAX_STALE_SECONDS,
    opaqueRecheckSeconds: settings.OPAQUE_RECHECK_SECONDS,
    opaqueUnknownPerMinute: settings.OPAQUE_UNKNOWN_PER_MINUTE,
    opaqueUnknownAge: settings.OPAQUE_UNKNOWN_AGE,
    principalClaims: settings.PRINCIPAL_CLAIMS,
    upstreamTimeoutMs: settings.UPSTREAM_TIMEOUT_MS,
    issuerCheckSeconds: settings.ISSUER_CHECK_SECONDS,
    proxy: proxyOf(settings),
    denialsUnknown: settings.DENIALS_UNKNOWN,
    maxConnections: settings.MAX_CONNECTIONS,
    maxConnectionsPerAddress: settings.MAX_CONNECTIONS_PER_ADDRESS,
    maxPendingConnections: settings.MAX_PENDING_CONNECTIONS,
    tls,
    drainDelayMs: settings.DRAIN_DELAY_MS,
  };
}

export type UserTokenConfig = Readonly<ReturnType<typeof readUserTokenConfig>>;

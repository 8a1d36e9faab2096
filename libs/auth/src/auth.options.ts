import { Logger } from '@nestjs/common';
import type { Feed, KeyValues, ServerFacts } from '@app/store';
import { RefusalLog, type RefusalLines } from '@app/contract';
import { bounded, type UserTokenClient, type UserTokenClientOptions } from '@app/user-token-client';

export const AUTH_OPTIONS = Symbol('AUTH_OPTIONS');

/** What the guard uses of a store. */
export type AuthStore = KeyValues & Feed & ServerFacts;

/** Options of {@link AuthModule}. */
export interface AuthOptions {
  /** Audience(s) that tokens must be meant for: this service's API identifier at Auth0. At least one. */
  readonly audience: string | readonly string[];
  /** How to reach user-token, or a client that exists already (the caller closes that one). */
  readonly userToken: UserTokenClientOptions | UserTokenClient;
  /**
   * Shared store of the suite's services; the caller closes it. Without it nothing is cached and every request asks
   * user-token. That is slower but correct, because only the store tells a service about revocations.
   */
  readonly store?: AuthStore | undefined;
  /** Protection space named in challenges (RFC 9110 section 11.5). Default `api`. */
  readonly realm?: string;
  readonly cache?: AuthCacheOptions;
  /** Gets the reasons why tokens were refused, e.g. a pino logger. Default: Nest's logger, where `info` is called `log`. */
  readonly log?: RefusalLines;
}

export interface AuthCacheOptions {
  /**
   * Key under which entries in Redis are sealed; the same in all services of an environment, at least 32 characters.
   * Required with `store`: write access to Redis must not be enough to forge a log-in.
   */
  readonly secret: string;
  /**
   * Longest life of a cached principal, in seconds from the verdict on. Default 300 (5 minutes), from 1 to 86,400 (a day). Its token's
   * expiry ends it earlier.
   */
  readonly ttlSeconds?: number;
  /** Memory for principals in this process, in bytes. Default 52,428,800 (50 MB), from 0 (none is kept) to 17,179,869,184 (16 GB). */
  readonly maxBytes?: number;
  /**
   * How long a refusal is remembered in this process, in milliseconds. Default 5,000 (5 s), from 0 (not at all) to 60,000 (a minute).
   * Outages are never remembered.
   */
  readonly refusalTtlMs?: number;
  /** How many refusals are remembered. Default 10,000, from 1 to 10,000,000; each takes 36 bytes from the start. */
  readonly maxRefusals?: number;
}

/** {@link AuthOptions} with every default filled in. */
export interface ResolvedAuthOptions {
  readonly audience: readonly string[];
  readonly userToken: UserTokenClientOptions | UserTokenClient;
  readonly store: AuthStore | undefined;
  readonly realm: string;
  readonly cache: Required<AuthCacheOptions>;
  readonly refusalLog: RefusalLog;
}

/** @throws {TypeError} naming the option that is wrong */
export function resolveAuthOptions(options: AuthOptions): ResolvedAuthOptions {
  const audience = typeof options.audience === 'string' ? [options.audience] : [...(options.audience ?? [])];
  if (audience.length === 0 || !audience.every((entry) => typeof entry === 'string' && entry !== '')) {
    throw new TypeError('AuthModule: audience must name at least one API identifier');
  }
  if (options.store && (options.cache?.secret.length ?? 0) < 32) {
    throw new TypeError('AuthModule: cache.secret must have at least 32 characters when a store is given');
  }
  return {
    audience,
    userToken: options.userToken,
    store: options.store,
    realm: options.realm ?? 'api',
    cache: resolveCacheOptions(options.cache),
    refusalLog: new RefusalLog(options.log ?? nestLines()),
  };
}

function resolveCacheOptions({
  secret = '',
  ttlSeconds = 300,
  maxBytes = 50 * 1024 * 1024,
  refusalTtlMs = 5_000,
  maxRefusals = 10_000,
}: Partial<AuthCacheOptions> = {}): Required<AuthCacheOptions> {
  const option = (name: string, value: number, min: number, max: number, unit: string) =>
    bounded(`AuthModule: cache.${name}`, value, { min, max, unit });
  return {
    secret,
    ttlSeconds: option('ttlSeconds', ttlSeconds, 1, 86_400, 'seconds'),
    maxBytes: option('maxBytes', maxBytes, 0, 16 * 1024 ** 3, 'bytes'),
    refusalTtlMs: option('refusalTtlMs', refusalTtlMs, 0, 60_000, 'milliseconds'),
    maxRefusals: option('maxRefusals', maxRefusals, 1, 10_000_000, 'refusals'),
  };
}

function nestLines(): RefusalLines {
  const logger = new Logger('BearerGuard');
  return {
    debug: (fields, message) => logger.debug(`${message} ${JSON.stringify(fields)}`),
    info: (fields, message) => logger.log(`${message} ${JSON.stringify(fields)}`),
    isLevelEnabled: (level) => Logger.isLevelEnabled(level),
  };
}

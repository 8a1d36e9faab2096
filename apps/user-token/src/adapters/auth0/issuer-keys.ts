// OpenID Connect Core section 10.1.1: the issuer's keys, and their rotation.
import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import type { CheckResult } from '@app/ops';
import { UpstreamUnavailable } from '../../core/authorization-server.js';
import type { Log } from '../../core/log.js';
import { timeOf } from '../token-checks/principal-claims.js';
import { FetchBudget, type FetchLimit } from './fetch-budget.js';
import { fetchJwks, jwksFailure } from './fetch-jwks.js';
import { usableKeysOf } from './usable-keys.js';

export interface IssuerKeysOptions {
  /** Called for each fetch, because the issuer may be away when this service starts. */
  readonly jwksUri: () => Promise<URL>;
  readonly timeoutMs: number;
  /** Age of known keys that causes a new fetch in the background, in seconds. */
  readonly refreshAfterSeconds: number;
  /** Maximum age of keys in use while each new fetch fails, in seconds. */
  readonly maxStaleSeconds: number;
  /** An unknown `kid` causes no fetch beyond this limit. Fetches for other reasons count as well. */
  readonly fetchLimit: FetchLimit;
  /** The limit for tokens that were just granted; other tokens do not use it up. */
  readonly grantedFetchLimit: FetchLimit;
  /** Largest difference between the issuer's clock and ours, in seconds. */
  readonly clockToleranceSeconds: number;
  /** Unix time, for the comparison with a token's `iat`. Default: our own clock. */
  readonly nowSeconds?: (() => number) | undefined;
  /** Default: Node's own. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly log: Log;
}

interface KnownKeys {
  readonly find: JWTVerifyGetKey;
  readonly count: number;
  /** Time of the request for them. The answer may be no newer. */
  readonly asOfMs: number;
  /** The same time as Unix time. */
  readonly asOfSeconds: number;
}

type Key = Awaited<ReturnType<JWTVerifyGetKey>>;

const MAX_BACKOFF_SECONDS = 60;
/** A user who has just logged in waits meanwhile. */
const MAX_GRANTED_BACKOFF_SECONDS = 5;

/**
 * The issuer's signing keys. Known keys work while the issuer is away, up to a maximum age. The wait between failing fetches grows.
 * Tokens with unknown `kid`s cause a limited number of fetches. A key counts as unknown only if a fetch began after the question for
 * the key, or after the issue of its token: an older set may lack a new key.
 *
 * A token that was just granted to this suite comes from the issuer, and no stranger can make one. So its key has a fetch limit and
 * a back-off of its own.
 */
export class IssuerKeys {
  private known: KnownKeys | undefined;
  private fetching: Promise<void> | undefined;
  private readonly forAll: FetchBudget;
  private readonly forGranted: FetchBudget;
  /** Why the last fetch failed; undefined after a success. */
  private away: string | undefined;
  private skipped: string | undefined;

  constructor(private readonly options: IssuerKeysOptions) {
    this.forAll = new FetchBudget(options.fetchLimit, MAX_BACKOFF_SECONDS);
    this.forGranted = new FetchBudget(options.grantedFetchLimit, MAX_GRANTED_BACKOFF_SECONDS);
  }

  /**
   * For jose: the key for a token's header.
   *
   * @throws {errors.JWKSNoMatchingKey} the issuer publishes no such key
   * @throws {errors.JWKSMultipleMatchingKeys} several keys match
   * @throws {UpstreamUnavailable} the answer is not known yet
   */
  readonly find: JWTVerifyGetKey = (header, token) =>
    this.findWithin(this.forAll, () => issuedAtSeconds(token), header, token);

  /**
   * The same for a token that was just granted, whatever its `iat`. A missing key means that the issuer does not publish it yet, and
   * is `UpstreamUnavailable`.
   */
  readonly findForGranted: JWTVerifyGetKey = async (header, token) => {
    try {
      return await this.findWithin(this.forGranted, () => Infinity, header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !canBeNamed(header.kid)) throw error;
      throw new UpstreamUnavailable(
        'the authorization server signs by a key that it does not publish yet',
        5,
        {
          cause: error,
        },
      );
    }
  };

  /** Fetches the keys before the first token needs them. A failure shows when a token comes. */
  async load(): Promise<void> {
    await this.fetch(this.forAll).catch(() => undefined);
  }

  /** For readiness. Up in any case: cached tokens still work without keys. */
  check(): CheckResult {
    const atHand = this.known ? `${this.known.count} at hand` : 'none at hand';
    if (this.away !== undefined)
      return { up: true, degraded: true, detail: `${atHand}, and they cannot be fetched: ${this.away}` };
    const skipped = this.skipped === undefined ? '' : `; not used: ${this.skipped}`;
    return { up: true, detail: `${atHand}${skipped}` };
  }

  private async findWithin(
    budget: FetchBudget,
    issuedAt: () => number,
    ...token: Parameters<JWTVerifyGetKey>
  ): Promise<Key> {
    if (!canBeNamed(token[0].kid)) throw new errors.JWKSNoMatchingKey();
    const askedAtMs = performance.now();
    // `iat` is a whole second, by a clock that may be behind ours.
    const publishedBySeconds = () => issuedAt() + 1 + this.options.clockToleranceSeconds;
    const find = ({ find: findKey, asOfMs, asOfSeconds }: KnownKeys) =>
      orUndefined(findKey(...token), () => asOfMs < askedAtMs && !(asOfSeconds > publishedBySeconds()));
    const key = await find(await this.current(budget));
    if (key) return key;
    // A fetch under way may have begun too early for this key; the next one has not.
    for (let tries = 0; tries < 2 && (this.fetching || budget.unknownKeyAfterSeconds <= 0); tries += 1) {
      await this.fetch(budget);
      const fetchedKey = await find(this.known!);
      if (fetchedKey) return fetchedKey;
    }
    throw budget.notYet(budget.unknownKeyAfterSeconds);
  }

  private async current(budget: FetchBudget): Promise<KnownKeys> {
    const { known } = this;
    const ageSeconds = known ? (performance.now() - known.asOfMs) / 1000 : Infinity;
    if (known && ageSeconds < this.options.maxStaleSeconds) {
      if (ageSeconds >= this.options.refreshAfterSeconds && this.forAll.retryAfterSeconds <= 0)
        void this.fetch(this.forAll).catch(() => undefined);
      return known;
    }
    if (!this.fetching && budget.retryAfterSeconds > 0) throw budget.notYet(budget.retryAfterSeconds);
    await this.fetch(budget);
    return this.known!;
  }

  private fetch(budget: FetchBudget): Promise<void> {
    this.fetching ??= this.fetchOnce(budget).finally(() => {
      this.fetching = undefined;
    });
    return this.fetching;
  }

  private async fetchOnce(budget: FetchBudget): Promise<void> {
    const { log, jwksUri, nowSeconds = () => Date.now() / 1000 } = this.options;
    const [asOfMs, asOfSeconds] = [performance.now(), nowSeconds()];
    for (const counted of new Set([this.forAll, budget])) counted.begin(asOfMs);
    try {
      const { usable, skipped } = await usableKeysOf(await fetchJwks(await jwksUri(), this.options));
      this.tellSkipped(skipped);
      if (usable.length === 0)
        throw new Error('the JWKS endpoint names no RSA signing key of 2,048 bits or more');
      const find = createLocalJWKSet({ keys: [...usable] });
      this.known = { find, count: usable.length, asOfMs, asOfSeconds };
      if (this.away !== undefined) log.info({}, 'the signing keys of the authorization server are back');
      this.away = undefined;
      for (const counted of [this.forAll, this.forGranted]) counted.succeeded();
    } catch (error) {
      for (const counted of new Set([this.forAll, budget])) counted.failed(error);
      const message = 'the signing keys of the authorization server cannot be fetched';
      if (this.away === undefined) log.warn({ err: error }, message);
      this.away = jwksFailure(error);
      throw unavailable(error);
    }
  }

  /** Logs once for each set with other faults. */
  private tellSkipped(skipped: string | undefined): void {
    if (skipped !== undefined && skipped !== this.skipped)
      this.options.log.warn({ skipped }, 'the authorization server publishes keys that cannot be used here');
    this.skipped = skipped;
  }
}

/** A `kid` is a text (RFC 7515 section 4.1.4), or absent. No set has a key under another type of name. */
function canBeNamed(kid: unknown): boolean {
  return kid === undefined || typeof kid === 'string';
}

/** The unverified `iat` of a token; 0 without one, because no key makes such a token valid. */
function issuedAtSeconds({ payload }: Parameters<JWTVerifyGetKey>[1]): number {
  try {
    const { iat } = JSON.parse(Buffer.from(payload as string, 'base64url').toString()) as { iat?: unknown };
    return timeOf(iat) ?? 0;
  } catch {
    return 0;
  }
}

/** @returns undefined for a key that is not in the set but may be in a newer one */
async function orUndefined(
  finding: ReturnType<JWTVerifyGetKey>,
  mayBeNewer: () => boolean,
): Promise<Key | undefined> {
  try {
    return await finding;
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey && mayBeNewer()) return undefined;
    throw error;
  }
}

function unavailable(cause: unknown): UpstreamUnavailable {
  return new UpstreamUnavailable('the signing keys of the authorization server cannot be fetched', 5, {
    cause,
  });
}

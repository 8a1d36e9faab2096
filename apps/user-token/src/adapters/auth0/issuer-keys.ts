// OpenID Connect Core section 10.1.1: keys of the issuer, and how they change.
import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import type { CheckResult } from '@app/ops';
import { UpstreamUnavailable } from '../../core/authorization-server.js';
import type { Log } from '../../core/log.js';
import { timeOf } from '../token-checks/principal-claims.js';
import { FetchBudget, type FetchLimit } from './fetch-budget.js';
import { fetchJwks, jwksFailure } from './fetch-jwks.js';
import { usableKeysOf } from './usable-keys.js';

export interface IssuerKeysOptions {
  /** Asked at each fetch, because the issuer may be away when this service starts. */
  readonly jwksUri: () => Promise<URL>;
  readonly timeoutMs: number;
  /** Age at which known keys are fetched anew, in the background. */
  readonly refreshAfterSeconds: number;
  /** How long keys are used while they cannot be fetched anew. */
  readonly maxStaleSeconds: number;
  /** Unknown `kid`s cause no fetch that would be more than so many within so long a time, those for other reasons counted. */
  readonly fetchLimit: FetchLimit;
  /** The same for tokens that were just granted, and these have it to themselves. */
  readonly grantedFetchLimit: FetchLimit;
  /** How far the issuer's clock may be off ours. */
  readonly clockToleranceSeconds: number;
  /** Unix time, to compare a token's `iat` with. Default: our own clock's. */
  readonly nowSeconds?: (() => number) | undefined;
  /** Default: Node's own. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly log: Log;
}

interface KnownKeys {
  readonly find: JWTVerifyGetKey;
  readonly count: number;
  /** When they were asked for, which is as recent as they are sure to be. */
  readonly asOfMs: number;
  /** The same as Unix time. */
  readonly asOfSeconds: number;
}

type Key = Awaited<ReturnType<JWTVerifyGetKey>>;

const MAX_BACKOFF_SECONDS = 60;
/** Somebody who has logged in waits for them. */
const MAX_GRANTED_BACKOFF_SECONDS = 5;

/**
 * The issuer's signing keys. Known keys go on working while the issuer is away, up to a bounded age; fetches that fail are
 * spaced ever wider; tokens with unknown `kid`s cause a few within a limit, however many come. A key counts as unknown only on
 * the word of keys asked for later than it was, or than its token was issued: it may have come into use since.
 *
 * A token that this suite was just granted comes from the issuer, and no stranger can make one: neither the limit nor the failures of
 * fetches for the others keep its key from being fetched.
 */
export class IssuerKeys {
  private known: KnownKeys | undefined;
  private fetching: Promise<void> | undefined;
  private readonly forAll: FetchBudget;
  private readonly forGranted: FetchBudget;
  /** Why the last fetch failed; undefined after one that did not. */
  private away: string | undefined;
  private skipped: string | undefined;

  constructor(private readonly options: IssuerKeysOptions) {
    this.forAll = new FetchBudget(options.fetchLimit, MAX_BACKOFF_SECONDS);
    this.forGranted = new FetchBudget(options.grantedFetchLimit, MAX_GRANTED_BACKOFF_SECONDS);
  }

  /**
   * For jose: the key of a token's header. Throws jose's `JWKSNoMatchingKey` for one that the issuer does not publish, and
   * `JWKSMultipleMatchingKeys` where several may be meant; `UpstreamUnavailable` when that cannot be found out yet.
   */
  readonly find: JWTVerifyGetKey = (header, token) =>
    this.findWithin(this.forAll, () => issuedAtSeconds(token), header, token);

  /**
   * The same for a token that was just granted, whatever time its `iat` says: a key that the issuer does not publish is one that it
   * does not publish yet.
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

  /** Fetches them before the first token needs them; whether that works shows with the token. */
  async load(): Promise<void> {
    await this.fetch(this.forAll).catch(() => undefined);
  }

  /** For readiness: without keys, or with old ones, what is known already goes on. */
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
    // Which is a whole second, and by a clock that may be behind ours.
    const publishedBySeconds = () => issuedAt() + 1 + this.options.clockToleranceSeconds;
    const find = ({ find: findKey, asOfMs, asOfSeconds }: KnownKeys) =>
      orUndefined(findKey(...token), () => asOfMs < askedAtMs && !(asOfSeconds > publishedBySeconds()));
    const key = await find(await this.current(budget));
    if (key) return key;
    // A fetch that was under way may have been too early; one after it is not.
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

  /** Once for each set that has some. */
  private tellSkipped(skipped: string | undefined): void {
    if (skipped !== undefined && skipped !== this.skipped)
      this.options.log.warn({ skipped }, 'the authorization server publishes keys that are not used here');
    this.skipped = skipped;
  }
}

/** A `kid` is a text (RFC 7515 section 4.1.4), or there is none; a key by another name is in no set. */
function canBeNamed(kid: unknown): boolean {
  return kid === undefined || typeof kid === 'string';
}

/** What the token says, unverified; the dawn of time where it says nothing, for then it is not accepted by any key. */
function issuedAtSeconds({ payload }: Parameters<JWTVerifyGetKey>[1]): number {
  try {
    const { iat } = JSON.parse(Buffer.from(payload as string, 'base64url').toString()) as { iat?: unknown };
    return timeOf(iat) ?? 0;
  } catch {
    return 0;
  }
}

/** @returns undefined for a key that is not in the set, where it may have been published since */
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

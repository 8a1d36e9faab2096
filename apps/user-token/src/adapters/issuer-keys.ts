// OpenID Connect Core section 10.1.1: keys of the issuer, and how they change.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { z } from 'zod';
import { UpstreamUnavailable } from '../core/authorization-server.js';
import type { Log } from '../core/log.js';

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
  readonly log: Log;
}

export interface FetchLimit {
  readonly fetches: number;
  readonly seconds: number;
}

interface KnownKeys {
  readonly find: JWTVerifyGetKey;
  /** When they were asked for, which is as recent as they are sure to be. */
  readonly asOfMs: number;
}

const MAX_BACKOFF_SECONDS = 60;
/** Somebody who has logged in waits for them. */
const MAX_GRANTED_BACKOFF_SECONDS = 5;
const MAX_BYTES = 1024 * 1024;
const MAX_KEYS = 100;
const MIN_MODULUS_CHARS = 342;

const jwksSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(MAX_KEYS) });
/** What may verify here: RSA of at least 2,048 bits, not meant for encryption. */
const usableKeySchema = z.looseObject({
  kty: z.literal('RSA'),
  n: z.string().min(MIN_MODULUS_CHARS),
  e: z.string(),
  use: z.literal('sig').optional(),
});

/**
 * The issuer's signing keys. Known keys go on working while the issuer is away, up to a bounded age; fetches that fail are
 * spaced ever wider; tokens with unknown `kid`s cause a few within a limit, however many come. A key counts as unknown only on
 * the word of keys asked for later than it was: it may have come into use since.
 *
 * A token that this suite was just granted comes from the issuer, and no stranger can make one: neither the limit nor the failures of
 * fetches for the others keep its key from being fetched.
 */
export class IssuerKeys {
  private known: KnownKeys | undefined;
  private fetching: Promise<void> | undefined;
  private readonly forAll: FetchBudget;
  private readonly forGranted: FetchBudget;
  private isAway = false;

  constructor(private readonly options: IssuerKeysOptions) {
    this.forAll = new FetchBudget(options.fetchLimit, MAX_BACKOFF_SECONDS);
    this.forGranted = new FetchBudget(options.grantedFetchLimit, MAX_GRANTED_BACKOFF_SECONDS);
  }

  /**
   * For jose: the key of a token's header. Throws jose's `JWKSNoMatchingKey` for one that the issuer does not publish,
   * `UpstreamUnavailable` when that cannot be found out yet.
   */
  readonly find: JWTVerifyGetKey = (header, token) => this.findWithin(this.forAll, header, token);

  /** The same for a token that was just granted: a key that the issuer does not publish is one that it does not publish yet. */
  readonly findForGranted: JWTVerifyGetKey = async (header, token) => {
    try {
      return await this.findWithin(this.forGranted, header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
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

  private async findWithin(
    budget: FetchBudget,
    ...token: Parameters<JWTVerifyGetKey>
  ): Promise<Awaited<ReturnType<JWTVerifyGetKey>>> {
    const askedAtMs = performance.now();
    const key = await findIn(await this.current(budget), askedAtMs, ...token);
    if (key) return key;
    // A fetch that was under way may have been too early; one after it is not.
    for (let tries = 0; tries < 2 && (this.fetching || budget.unknownKeyAfterSeconds <= 0); tries += 1) {
      await this.fetch(budget);
      const fetchedKey = await findIn(this.known!, askedAtMs, ...token);
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
    const asOfMs = performance.now();
    for (const counted of new Set([this.forAll, budget])) counted.begin(asOfMs);
    try {
      const jwks = await download(await this.options.jwksUri(), this.options.timeoutMs);
      this.known = { find: createLocalJWKSet(jwks), asOfMs };
      if (this.isAway) this.options.log.info({}, 'the signing keys of the authorization server are back');
      this.isAway = false;
      for (const counted of [this.forAll, this.forGranted]) counted.succeeded();
    } catch (error) {
      for (const counted of new Set([this.forAll, budget])) counted.failed(error);
      const message = 'the signing keys of the authorization server cannot be fetched';
      if (!this.isAway) this.options.log.warn({ err: error }, message);
      this.isAway = true;
      throw unavailable(error);
    }
  }
}

/** When those who share it may have the keys fetched. */
class FetchBudget {
  /** Latest last; as many as the limit counts. */
  private fetchesAtMs: readonly number[] = [];
  private failures = 0;
  private lastFailure: unknown;

  constructor(
    private readonly limit: FetchLimit,
    private readonly maxBackoffSeconds: number,
  ) {}

  /** How long to wait after a fetch that failed: ever longer. */
  get retryAfterSeconds(): number {
    if (this.failures === 0) return 0;
    return Math.min(this.maxBackoffSeconds, 2 ** (this.failures - 1)) - secondsSince(this.fetchesAtMs.at(-1));
  }

  get unknownKeyAfterSeconds(): number {
    const { fetches, seconds } = this.limit;
    return Math.max(this.retryAfterSeconds, seconds - secondsSince(this.fetchesAtMs.at(-fetches)));
  }

  begin(atMs: number): void {
    this.fetchesAtMs = [...this.fetchesAtMs, atMs].slice(-this.limit.fetches);
  }

  succeeded(): void {
    this.failures = 0;
  }

  failed(error: unknown): void {
    this.failures += 1;
    this.lastFailure = error;
  }

  notYet(waitSeconds: number): UpstreamUnavailable {
    return new UpstreamUnavailable(
      'the signing keys of the authorization server may not be fetched again yet',
      Math.max(1, Math.ceil(waitSeconds)),
      this.failures > 0 ? { cause: this.lastFailure } : {},
    );
  }
}

function secondsSince(atMs = Number.NEGATIVE_INFINITY): number {
  return (performance.now() - atMs) / 1000;
}

/** @returns undefined when the key may have been published since these were asked for */
async function findIn(
  { find, asOfMs }: KnownKeys,
  askedAtMs: number,
  ...token: Parameters<JWTVerifyGetKey>
): Promise<Awaited<ReturnType<JWTVerifyGetKey>> | undefined> {
  try {
    return await find(...token);
  } catch (error) {
    if (error instanceof errors.JWKSNoMatchingKey && asOfMs < askedAtMs) return undefined;
    throw error;
  }
}

/** @throws when the answer is not a set with at least one usable key; what was known before then stays in use */
async function download(uri: URL, timeoutMs: number): Promise<JSONWebKeySet> {
  const response = await fetch(uri, {
    redirect: 'error',
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) throw new Error(`the JWKS endpoint answered ${response.status}`);
  const { keys } = jwksSchema.parse(JSON.parse(await readText(response)));
  const usable = keys.filter((key) => usableKeySchema.safeParse(key).success);
  if (usable.length === 0)
    throw new Error('the JWKS endpoint names no RSA signing key of 2,048 bits or more');
  return { keys: usable };
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new Error('the JWKS endpoint sent more than 1 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function unavailable(cause: unknown): UpstreamUnavailable {
  return new UpstreamUnavailable('the signing keys of the authorization server cannot be fetched', 5, {
    cause,
  });
}

import type { Cache } from '@nestjs/cache-manager';
import type { KeyValues, ServerFacts } from '@app/store';
import { epochKey, GENERATION_KEY, type CanonicalToken, type Principal } from '@app/contract';
import { trustedUntilSeconds, type CachedPrincipal } from './cached-principal.js';
import { claimedEpochOf } from './claimed-epoch.js';
import { valueIn } from './nest-cache.js';
import { EntrySeal } from './sealed-entry.js';
import { SeenGenerations } from './seen-generations.js';
import { StoreWatch } from './store-watch.js';

export interface SharedTokenCacheOptions {
  /** Key under which entries are sealed. */
  readonly secret: string;
  /** Longest life of an entry, in seconds from its verdict on. */
  readonly ttlSeconds: number;
}

/** Data of Redis at one moment. */
export interface SharedLookup {
  /** The entry of the token; absent on a miss. */
  readonly entry?: CachedPrincipal | undefined;
  /** Generation of the store; absent while its value cannot be trusted, and then nothing may be written. */
  readonly generation?: string | undefined;
}

const NOTHING: SharedLookup = {};

/**
 * Second tier: principals in Redis, for all processes of all services.
 *
 * An entry counts only under the current epoch, and only in the generation of the store that it was written in; both are read in
 * the same round trip. It is sealed ({@link EntrySeal}), because it holds names and e-mail addresses. Entries are written through
 * Nest's cache (cache-manager-redis-yet) and read from the store below it, because cache-manager can neither read the epoch in
 * the same trip nor tell an outage from a miss.
 */
export class SharedTokenCache {
  private readonly seal: EntrySeal;
  private readonly generations = new SeenGenerations();
  private readonly watch: StoreWatch;

  constructor(
    private readonly store: KeyValues & ServerFacts,
    private readonly cache: Cache,
    private readonly options: SharedTokenCacheOptions,
    private readonly clock: { nowSeconds(): number },
  ) {
    this.seal = new EntrySeal(options.secret);
    this.watch = new StoreWatch(1000 * options.ttlSeconds);
  }

  /**
   * Whether the user-token that is asked maintains this store. Otherwise no user-token, or another one, may write to it and publish
   * its revocation feed: Redis, environment or issuer differ from user-token's.
   */
  get isKept(): boolean {
    return this.watch.isKept;
  }

  /** @param generation that a verdict came with */
  hears(generation: string | undefined): void {
    this.watch.hears(generation);
  }

  /** @throws {StoreUnavailable} when Redis does not answer in time */
  async read(key: string, token: CanonicalToken): Promise<SharedLookup> {
    const claimed = claimedEpochOf(token);
    const keys = claimed ? [key, GENERATION_KEY, claimed.epochKey] : [key, GENERATION_KEY];
    const [stored, standing, epoch] = await this.store.getMany(keys);
    const generation = this.generations.trusted(standing, this.store.serverId);
    this.watch.sees(generation, this.store.serverId);
    if (generation === undefined) return NOTHING;
    const entry = stored ? this.open(key, generation, stored) : undefined;
    if (!entry || this.isOver(entry)) return { generation };
    const { subject } = entry.principal;
    if (claimed && (claimed.subject === subject || claimed.epochKey === epochKey(subject)))
      return { generation, entry: entry.epoch === (epoch ?? '') ? entry : undefined };
    return this.underEpoch(epochKey(subject), entry, generation);
  }

  /**
   * @param generation of the lookup before the question to user-token: a younger generation may know more than the verdict
   *   did
   * @throws when Redis did not accept it
   */
  async write(key: string, entry: CachedPrincipal, generation: string): Promise<void> {
    const untilSeconds = trustedUntilSeconds(entry, this.options.ttlSeconds);
    const ttlMs = Math.floor(1000 * (untilSeconds - this.clock.nowSeconds()));
    if (ttlMs < 1) return;
    const text = JSON.stringify([entry.epoch, entry.verdictAtSeconds, entry.principal]);
    await this.cache.set(key, this.seal.seal(key, generation, text), ttlMs);
  }

  /** For a token that does not name its user. This takes a second trip, and the store may have changed in between. */
  private async underEpoch(
    epochKeyOfSubject: string,
    entry: CachedPrincipal,
    generation: string,
  ): Promise<SharedLookup> {
    const [epoch, standing] = await this.store.getMany([epochKeyOfSubject, GENERATION_KEY]);
    if (this.generations.trusted(standing, this.store.serverId) !== generation) return NOTHING;
    return { generation, entry: entry.epoch === (epoch ?? '') ? entry : undefined };
  }

  private isOver(entry: CachedPrincipal): boolean {
    return this.clock.nowSeconds() >= trustedUntilSeconds(entry, this.options.ttlSeconds);
  }

  private open(key: string, generation: string, stored: string): CachedPrincipal | undefined {
    try {
      const text = this.seal.open(key, generation, valueIn(stored));
      const [epoch, verdictAtSeconds, principal] = JSON.parse(text) as [string, number, Principal];
      return { epoch, verdictAtSeconds, principal };
    } catch {
      this.watch.foundSealedOtherwise();
      return undefined;
    }
  }
}

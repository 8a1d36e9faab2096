import { formerName, StoreUnavailable, type KeyValues, type StoreClock } from '@app/store';
import { firstSightKey, GENERATION_KEY } from '@app/contract';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { tokenId } from '../../core/tokens/token-id.js';
import type { SealedBox } from '../store/sealed-box.js';

export interface FirstSightsOptions {
  readonly maxTokenLifetimeSeconds: number;
  /**
   * Time of the last possible loss of records, by the value under `GENERATION_KEY` (null: none), read together with a record. A
   * token whose first sight is within a token's life after it may be older. Default: no loss ever.
   */
  readonly firstSightsSinceSeconds?: (generation: string | null) => number;
}

/** The first sight of an opaque token. Nothing else tells its age. */
const firstSightSchema = z.object({
  /** By the store's clock. For a token that was granted to us: the time of the request, which is not after the time of issue. */
  atSeconds: z.number(),
  /** An earlier record may have been lost, or the store was away. */
  mayBeOlder: z.boolean(),
});
export type FirstSight = Readonly<z.infer<typeof firstSightSchema>>;

/** For known records, and for records that wait for the store. */
const MAX_LOCAL = 10_000;
/** Attempts to write a record that other processes write at the same moment. */
const MAX_TRIES = 5;
/** Wait before the next attempt to write the waiting records. */
const RETRY_MS = 1_000;

/**
 * First sights of opaque tokens, in the shared store, sealed under their token. Only an earlier sight replaces a record.
 *
 * A record stays for twice the longest life of a token after the last sight of the active token: the token may live once as long, its
 * subject may be denied within this time, and the denial lasts once as long.
 */
export class FirstSights {
  private readonly local = new LRUCache<string, FirstSight>({ max: MAX_LOCAL });
  /** Sealed records by their key, made while the store was away. */
  private readonly unwritten = new LRUCache<string, string>({ max: MAX_LOCAL });
  private retry: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: KeyValues & StoreClock,
    private readonly box: SealedBox,
    private readonly options: FirstSightsOptions,
  ) {}

  /** The first sight that this process remembers. */
  known(accessToken: string): FirstSight | undefined {
    return this.local.get(placeOf(accessToken));
  }

  /**
   * Whether any process has ever seen the token active.
   *
   * @throws {StoreUnavailable}
   */
  async has(accessToken: string): Promise<boolean> {
    const place = placeOf(accessToken);
    const [stored = null, formerly = null] = await this.store.getMany([place, formerName(place)]);
    // Both are sealed with `place` as their context.
    const found = stored ?? formerly;
    const sight = found === null ? undefined : this.open(accessToken, place, found);
    if (sight) this.remember(place, sight);
    return found !== null || this.local.has(place);
  }

  /**
   * The first sight of an active token, perhaps this one. The result is recorded, or says that the token may be older.
   */
  async of(accessToken: string, seenAtSeconds: number): Promise<FirstSight> {
    const place = placeOf(accessToken);
    try {
      return await this.record(accessToken, place, (generation) => ({
        atSeconds: seenAtSeconds,
        mayBeOlder: this.mayHaveLost(generation),
      }));
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return this.recordLater(accessToken, place, { atSeconds: seenAtSeconds, mayBeOlder: true });
    }
  }

  /** Records a token that the issuer has granted to us, with the time of the request. */
  async ofGranted(accessToken: string, askedAtSeconds: number): Promise<void> {
    const place = placeOf(accessToken);
    const sight: FirstSight = { atSeconds: askedAtSeconds, mayBeOlder: false };
    try {
      await this.record(accessToken, place, () => sight);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      this.recordLater(accessToken, place, sight);
    }
  }

  private async record(
    accessToken: string,
    place: string,
    newSight: (generation: string | null) => FirstSight,
  ): Promise<FirstSight> {
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      const keys = [place, GENERATION_KEY, formerName(place)];
      const [stored = null, generation = null, formerly = null] = await this.store.getMany(keys);
      const recorded = stored === null ? undefined : this.open(accessToken, place, stored);
      const before = formerly === null ? undefined : this.open(accessToken, place, formerly);
      const sight = earliest(earliest(recorded, before), this.local.get(place)) ?? {
        ...newSight(generation),
        // An unreadable record may be from any time.
        ...((stored !== null || formerly !== null) && { mayBeOlder: true }),
      };
      const value = sight === recorded && stored !== null ? stored : this.seal(accessToken, place, sight);
      if (await this.write(place, stored, value)) {
        this.unwritten.delete(place);
        return this.remember(place, sight);
      }
    }
    throw new StoreUnavailable('too many processes record the first sight of one token at this moment');
  }

  private recordLater(accessToken: string, place: string, seen: FirstSight): FirstSight {
    const sight = this.local.get(place) ?? seen;
    this.unwritten.set(place, this.seal(accessToken, place, sight));
    this.catchUpLater();
    return this.remember(place, sight);
  }

  private catchUpLater(): void {
    this.retry ??= setTimeout(() => {
      this.retry = undefined;
      this.catchUp().catch(() => this.catchUpLater());
    }, RETRY_MS).unref();
  }

  private async catchUp(): Promise<void> {
    for (const [place, value] of [...this.unwritten.entries()]) {
      // If there is a record by now, the next sight of the token keeps the earlier one.
      await this.write(place, null, value);
      if (this.unwritten.peek(place) === value) this.unwritten.delete(place);
    }
  }

  /** Writes the record again at each sight, which restarts its time to live. */
  private write(place: string, stored: string | null, value: string): Promise<boolean> {
    const ttlMs = 2 * 1000 * this.options.maxTokenLifetimeSeconds;
    return this.store.writeAllIfEqual(place, stored, [{ op: 'set', key: place, value, ttlMs }]);
  }

  private mayHaveLost(generation: string | null): boolean {
    const { firstSightsSinceSeconds, maxTokenLifetimeSeconds } = this.options;
    const sinceSeconds = firstSightsSinceSeconds?.(generation) ?? 0;
    return !(this.store.nowMs() / 1000 - sinceSeconds >= maxTokenLifetimeSeconds);
  }

  private remember(place: string, sight: FirstSight): FirstSight {
    const first = earliest(this.local.get(place), sight) ?? sight;
    this.local.set(place, first);
    return first;
  }

  private seal(accessToken: string, place: string, sight: FirstSight): string {
    return this.box.seal(accessToken, place, JSON.stringify(sight));
  }

  private open(accessToken: string, place: string, sealed: string): FirstSight | undefined {
    const content = this.box.open(accessToken, place, sealed);
    return content === undefined ? undefined : firstSightSchema.safeParse(JSON.parse(content)).data;
  }
}

function earliest(one: FirstSight | undefined, other: FirstSight | undefined): FirstSight | undefined {
  if (!one || !other) return one ?? other;
  return other.atSeconds < one.atSeconds ? other : one;
}

function placeOf(accessToken: string): string {
  return firstSightKey(tokenId(accessToken));
}

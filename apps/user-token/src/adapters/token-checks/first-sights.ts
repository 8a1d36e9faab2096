import { formerName, StoreUnavailable, type KeyValues, type StoreClock } from '@app/store';
import { firstSightKey, GENERATION_KEY } from '@app/contract';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { tokenId } from '../../core/token-id.js';
import type { SealedBox } from '../store/sealed-box.js';

export interface FirstSightsOptions {
  readonly maxTokenLifetimeSeconds: number;
  /**
   * Since when no record can have been lost, by what stands under `GENERATION_KEY` (null: nothing), read along with a record. A
   * token that is first seen within a token's life after it may have been seen before. Default: no record was ever lost.
   */
  readonly firstSightsSinceSeconds?: (generation: string | null) => number;
}

/** When an opaque token was first seen: all that is known of its age. */
const firstSightSchema = z.object({
  /** By the store's clock. Of a token that was given out to us: when it was asked for, which is the time of issue or before. */
  atSeconds: z.number(),
  /** Seen when a record of before could have been lost or was out of reach. */
  mayBeOlder: z.boolean(),
});
export type FirstSight = Readonly<z.infer<typeof firstSightSchema>>;

/** Of each, tokens and those that wait to be written. */
const MAX_LOCAL = 10_000;
/** How often a record is written again that others write at the same moment. */
const MAX_TRIES = 5;
/** How soon what could not be written is tried again. */
const RETRY_MS = 1_000;

/**
 * First sights of opaque tokens, in the shared store, sealed to their token. A record is written once and from then on replaced by
 * nothing but an earlier sight.
 *
 * It is kept for two of the longest lives of a token after the token was last seen active: for the one that it may still have,
 * in which its subject may be denied, and for the one that such a denial lasts.
 */
export class FirstSights {
  private readonly local = new LRUCache<string, FirstSight>({ max: MAX_LOCAL });
  /** Sealed, by their place; the store was away. */
  private readonly unwritten = new LRUCache<string, string>({ max: MAX_LOCAL });
  private retry: NodeJS.Timeout | undefined;

  constructor(
    private readonly store: KeyValues & StoreClock,
    private readonly box: SealedBox,
    private readonly options: FirstSightsOptions,
  ) {}

  /** What this process remembers. */
  known(accessToken: string): FirstSight | undefined {
    return this.local.get(placeOf(accessToken));
  }

  /**
   * Whether the token was ever seen active.
   *
   * @throws {StoreUnavailable}
   */
  async has(accessToken: string): Promise<boolean> {
    const place = placeOf(accessToken);
    const [stored = null, formerly = null] = await this.store.getMany([place, formerName(place)]);
    // Both seals name the same place.
    const found = stored ?? formerly;
    const sight = found === null ? undefined : this.open(accessToken, place, found);
    if (sight) this.remember(place, sight);
    return found !== null || this.local.has(place);
  }

  /**
   * The first sight of a token that is active, which this may be. It is recorded when this returns; where that is not possible the
   * token may be older.
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

  /** Records a token that the issuer has given us, and for which it was asked at this time. */
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
        // What stands there cannot be read, and may have been from any time.
        ...((stored !== null || formerly !== null) && { mayBeOlder: true }),
      };
      const value = sight === recorded && stored !== null ? stored : this.seal(accessToken, place, sight);
      if (await this.write(place, stored, value)) {
        this.unwritten.delete(place);
        return this.remember(place, sight);
      }
    }
    throw new StoreUnavailable('the first sight of a token is being recorded by many at this moment');
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
      // Where somebody was there before us, the earlier of both is found when the token is seen again.
      await this.write(place, null, value);
      if (this.unwritten.peek(place) === value) this.unwritten.delete(place);
    }
  }

  /** Written anew each time, so that it is kept for as long as if it were new. */
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

import { openStore, StoreUnavailable, type Counters, type ServerFacts } from '@app/store';
import { UNKNOWN_TOKENS_KEY, type CanonicalToken } from '@app/contract';
import { Busy } from '../../core/busy.js';
import { TokenCheck, type CheckedToken } from '../../core/tokens/token-check.js';

const WINDOW_MS = 60_000;

/**
 * Limits the questions of the whole fleet about unknown tokens, per minute. A token that is active does not count. So made-up tokens
 * cannot use up the authorization server's rate limit. While the store is away each process counts for itself.
 */
export class CountedTokenCheck extends TokenCheck {
  private readonly processStore = openStore('memory:');

  constructor(
    private readonly tokenCheck: TokenCheck,
    private readonly store: Counters & ServerFacts,
    private readonly maxPerMinute: number,
  ) {
    super();
  }

  override async check(accessToken: CanonicalToken): Promise<CheckedToken> {
    // Counts before the answer, so that parallel questions cannot pass the limit.
    const countedIn = await this.count();
    const checked = await this.tokenCheck.check(accessToken);
    if (checked.active) await countedIn.uncountAll([UNKNOWN_TOKENS_KEY]).catch(() => undefined);
    return checked;
  }

  /** @returns the store that holds the count */
  private async count(): Promise<Counters> {
    try {
      if (this.store.available) return await this.countIn(this.store);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
    return this.countIn(this.processStore);
  }

  private async countIn(store: Counters): Promise<Counters> {
    const waitMs = await store.countAll([{ key: UNKNOWN_TOKENS_KEY, max: this.maxPerMinute }], {
      windowMs: WINDOW_MS,
    });
    if (waitMs === undefined) return store;
    throw new Busy(
      'OPAQUE_UNKNOWN_PER_MINUTE is used up: unknown opaque tokens are not asked about for the moment',
      Math.ceil(waitMs / 1000),
    );
  }
}

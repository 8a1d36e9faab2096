import { StoreLock, StoreUnavailable, type KeyValues, type StoreClock } from '@app/store';
import {
  inactiveReasonSchema,
  principalSchema,
  userinfoKey,
  userinfoLockKey,
  type CanonicalToken,
} from '@app/contract';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { Busy } from '../../core/busy.js';
import { TokenCheck, type CheckedToken } from '../../core/tokens/token-check.js';
import { tokenId } from '../../core/tokens/token-id.js';
import type { FirstSights } from './first-sights.js';
import type { SealedBox } from '../store/sealed-box.js';

export interface FleetTokenCheckOptions {
  /** How long a refusal counts, in seconds. The answer for an active token counts until its principal expires; an outage never counts. */
  readonly refusalSeconds: number;
  /** Longest time for one question, in milliseconds. */
  readonly askMs: number;
}

const answerSchema = z.object({
  checked: z.discriminatedUnion('active', [
    z.object({
      active: z.literal(true),
      principal: principalSchema,
      mayBeOlder: z.boolean().optional(),
    }),
    z.object({ active: z.literal(false), reason: inactiveReasonSchema }),
  ]),
  freshUntilSeconds: z.number(),
});
type Answer = z.infer<typeof answerSchema>;

const MAX_LOCAL = 10_000;

/**
 * Asks about a token once for all replicas: only the holder of a lock asks, and the answer goes into the shared store, sealed
 * under the token. For checks that are expensive and have a rate limit, such as `/userinfo`.
 *
 * The `issuedAtSeconds` of a principal is the first sight of its token ({@link FirstSights}). So a later log-out everywhere stays in
 * force after the next check, and after a refusal in between. While the store is away each process asks for itself and keeps the answer.
 * A token whose age is unknown then counts as older than any log-out, from then on.
 */
export class FleetTokenCheck extends TokenCheck {
  private readonly local = new LRUCache<string, Answer>({ max: MAX_LOCAL });
  private readonly locks: StoreLock;

  constructor(
    private readonly tokenCheck: TokenCheck,
    /** The same for tokens that were never active, and so may be made up. */
    private readonly unknownTokenCheck: TokenCheck,
    private readonly store: KeyValues & StoreClock,
    private readonly box: SealedBox,
    private readonly firstSights: FirstSights,
    private readonly options: FleetTokenCheckOptions,
  ) {
    super();
    this.locks = new StoreLock(store, { leaseMs: options.askMs, clock: store });
  }

  override async check(accessToken: CanonicalToken): Promise<CheckedToken> {
    const place = userinfoKey(tokenId(accessToken));
    const known = this.local.get(place);
    if (known && this.isFresh(known)) return known.checked;
    // A denial from here on is for this token as well: the token exists already.
    const seenAtSeconds = this.nowSeconds();
    try {
      return (await this.answerOfFleet(accessToken, place, seenAtSeconds)).checked;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      const isKnown = this.firstSights.known(accessToken) !== undefined;
      return (await this.ask(accessToken, place, isKnown, seenAtSeconds)).checked;
    }
  }

  private async answerOfFleet(
    accessToken: CanonicalToken,
    place: string,
    seenAtSeconds: number,
  ): Promise<Answer> {
    let answer: Answer | undefined;
    const isAnswered = async () => {
      answer = await this.read(accessToken, place);
      return answer !== undefined && this.isFresh(answer);
    };
    const lock = await this.locks.take([userinfoLockKey(tokenId(accessToken))], {
      waitMs: this.options.askMs,
      unless: isAnswered,
    });
    if (lock) return this.askAndShare(accessToken, place, seenAtSeconds).finally(() => lock.release());
    if (answer && this.isFresh(answer)) return this.remember(place, answer);
    throw new Busy('another replica is asking about this token and takes too long');
  }

  private async askAndShare(
    accessToken: CanonicalToken,
    place: string,
    seenAtSeconds: number,
  ): Promise<Answer> {
    // Another one may have answered between the look and the lock.
    const previous = await this.read(accessToken, place);
    if (previous && this.isFresh(previous)) return this.remember(place, previous);
    const formerly = previous?.checked.active ? previous.checked.principal : undefined;
    const isKnown = (await this.firstSights.has(accessToken)) || formerly !== undefined;
    // Older versions kept the time in the answer.
    const firstSeconds = Math.min(seenAtSeconds, formerly?.issuedAtSeconds ?? Infinity);
    const answer = await this.ask(accessToken, place, isKnown, firstSeconds);
    const ttlMs = 1000 * (answer.freshUntilSeconds - this.nowSeconds());
    await this.store
      .set(place, this.box.seal(accessToken, place, JSON.stringify(answer)), { ttlMs })
      // This process has the answer. A failure costs one more question of another process.
      .catch(() => undefined);
    return answer;
  }

  private async ask(
    accessToken: CanonicalToken,
    place: string,
    isKnown: boolean,
    seenAtSeconds: number,
  ): Promise<Answer> {
    const checked = await (isKnown ? this.tokenCheck : this.unknownTokenCheck).check(accessToken);
    if (!checked.active) {
      const freshUntilSeconds = this.nowSeconds() + this.options.refusalSeconds;
      return this.remember(place, { checked, freshUntilSeconds });
    }
    const { principal } = checked;
    const { atSeconds, mayBeOlder } = await this.firstSights.of(accessToken, seenAtSeconds);
    return this.remember(place, {
      checked: {
        active: true,
        principal: { ...principal, issuedAtSeconds: Math.floor(atSeconds) },
        mayBeOlder,
      },
      freshUntilSeconds: principal.expiresAtSeconds,
    });
  }

  private async read(accessToken: CanonicalToken, place: string): Promise<Answer | undefined> {
    const [sealed] = await this.store.getMany([place]);
    const content = sealed ? this.box.open(accessToken, place, sealed) : undefined;
    return content === undefined ? undefined : answerSchema.safeParse(JSON.parse(content)).data;
  }

  private remember(place: string, answer: Answer): Answer {
    this.local.set(place, answer);
    return answer;
  }

  private isFresh({ freshUntilSeconds }: Answer): boolean {
    return this.nowSeconds() < freshUntilSeconds;
  }

  private nowSeconds(): number {
    return this.store.nowMs() / 1000;
  }
}

import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { StoreUnavailable, type SharedStore } from '@app/redis';
import { inactiveReasonSchema, principalSchema } from '@app/user-token-client';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { UpstreamUnavailable } from '../core/authorization-server.js';
import { TokenCheck, type CheckedToken } from '../core/token-check.js';
import { tokenId } from '../core/token-id.js';
import type { SealedBox } from './sealed-box.js';

export interface FleetTokenCheckOptions {
  /** How long a refusal counts, in seconds. An active token's answer counts until its principal expires; an outage is never kept. */
  readonly refusalSeconds: number;
  /** Longest life of a token. So long it is remembered when one was first seen, which is all that is known of its age. */
  readonly maxTokenLifetimeSeconds: number;
  /** How long the one who asks may take, in milliseconds. */
  readonly askMs: number;
}

const answerSchema = z.object({
  checked: z.discriminatedUnion('active', [
    z.object({ active: z.literal(true), principal: principalSchema }),
    z.object({ active: z.literal(false), reason: inactiveReasonSchema }),
  ]),
  freshUntilSeconds: z.number(),
});
type Answer = z.infer<typeof answerSchema>;

const MAX_LOCAL = 10_000;
const POLL_MS = 25;

/**
 * Asks about a token once, however many replicas are asked at the same time: the answer is kept in the shared store, sealed
 * to the token, and only the holder of a lock asks. For checks that are expensive and counted, such as `/userinfo`.
 *
 * A principal keeps the `issuedAtSeconds` of when its token was first seen, so that a log-out everywhere that came later is
 * not undone by the next check. While the store is away each process asks for itself, and remembers what it heard; a token
 * whose age it cannot know counts as older than any such log-out, from then on.
 */
export class FleetTokenCheck extends TokenCheck {
  private readonly local = new LRUCache<string, Answer>({ max: MAX_LOCAL });

  constructor(
    private readonly tokenCheck: TokenCheck,
    /** The same for tokens that it never found active, which may be made up. */
    private readonly unknownTokenCheck: TokenCheck,
    private readonly store: SharedStore,
    private readonly box: SealedBox,
    private readonly options: FleetTokenCheckOptions,
  ) {
    super();
  }

  override async check(accessToken: string): Promise<CheckedToken> {
    const place = `userinfo:v1:${tokenId(accessToken)}`;
    const known = this.local.get(place);
    if (known && isFresh(known)) return known.checked;
    try {
      return (await this.answerOfFleet(accessToken, place)).checked;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return (await this.ask(accessToken, place, known, 0)).checked;
    }
  }

  private async answerOfFleet(accessToken: string, place: string): Promise<Answer> {
    const lock = `${place}:asking`;
    const owner = randomUUID();
    const deadline = performance.now() + this.options.askMs;
    do {
      const answer = await this.read(accessToken, place);
      if (answer && isFresh(answer)) return this.remember(place, answer);
      if (await this.store.setIfAbsent(lock, owner, { ttlMs: this.options.askMs })) {
        try {
          return await this.askAndShare(accessToken, place);
        } finally {
          await this.store.deleteIfEqual(lock, owner).catch(() => undefined);
        }
      }
      await delay(POLL_MS);
    } while (performance.now() < deadline);
    throw new UpstreamUnavailable('another replica is asking about this token and takes too long', 1);
  }

  private async askAndShare(accessToken: string, place: string): Promise<Answer> {
    // Another one may have answered between the look and the lock.
    const previous = await this.read(accessToken, place);
    if (previous && isFresh(previous)) return this.remember(place, previous);
    const answer = await this.ask(accessToken, place, previous ?? this.local.get(place));
    const { maxTokenLifetimeSeconds, refusalSeconds } = this.options;
    const ttlMs = 1000 * (answer.checked.active ? maxTokenLifetimeSeconds : refusalSeconds);
    await this.store
      .set(place, this.box.seal(accessToken, place, JSON.stringify(answer)), { ttlMs })
      // This process knows the answer; that the others do not costs another question.
      .catch(() => undefined);
    return answer;
  }

  private async ask(
    accessToken: string,
    place: string,
    previous: Answer | undefined,
    issuedAtSecondsWhenUnseen?: number,
  ): Promise<Answer> {
    const check = previous?.checked.active ? this.tokenCheck : this.unknownTokenCheck;
    const checked = await check.check(accessToken);
    if (!checked.active) {
      return this.remember(place, {
        checked,
        freshUntilSeconds: nowInSeconds() + this.options.refusalSeconds,
      });
    }
    const { principal } = checked;
    const issuedAtSeconds =
      firstSeenSeconds(previous) ?? issuedAtSecondsWhenUnseen ?? principal.issuedAtSeconds;
    return this.remember(place, {
      checked: { active: true, principal: { ...principal, issuedAtSeconds } },
      freshUntilSeconds: principal.expiresAtSeconds,
    });
  }

  private async read(accessToken: string, place: string): Promise<Answer | undefined> {
    const [sealed] = await this.store.getMany([place]);
    const content = sealed ? this.box.open(accessToken, place, sealed) : undefined;
    return content === undefined ? undefined : answerSchema.safeParse(JSON.parse(content)).data;
  }

  private remember(place: string, answer: Answer): Answer {
    this.local.set(place, answer);
    return answer;
  }
}

function isFresh({ freshUntilSeconds }: Answer): boolean {
  return nowInSeconds() < freshUntilSeconds;
}

/** 0 for a token whose age could not be known when it was first seen, and that stays so. */
function firstSeenSeconds(answer: Answer | undefined): number | undefined {
  return answer?.checked.active ? answer.checked.principal.issuedAtSeconds : undefined;
}

function nowInSeconds(): number {
  return Date.now() / 1000;
}

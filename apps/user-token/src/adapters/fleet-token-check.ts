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
 * not undone by the next check. While the store is away each process asks for itself, and remembers what it heard.
 */
export class FleetTokenCheck extends TokenCheck {
  private readonly local = new LRUCache<string, Answer>({ max: MAX_LOCAL });

  constructor(
    private readonly tokenCheck: TokenCheck,
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
      return await this.checkOnce(accessToken, place);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return this.ask(accessToken, place, known);
    }
  }

  private async checkOnce(accessToken: string, place: string): Promise<CheckedToken> {
    const deadline = performance.now() + this.options.askMs;
    do {
      const answer = await this.read(accessToken, place);
      if (answer && isFresh(answer)) return this.remember(place, answer).checked;
      const lock = `${place}:asking`;
      const owner = randomUUID();
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

  private async askAndShare(accessToken: string, place: string): Promise<CheckedToken> {
    // Another one may have answered between the look and the lock.
    const previous = await this.read(accessToken, place);
    if (previous && isFresh(previous)) return this.remember(place, previous).checked;
    const checked = await this.ask(accessToken, place, previous);
    const answer = this.local.get(place);
    if (answer) {
      const sealed = this.box.seal(accessToken, place, JSON.stringify(answer));
      await this.store
        .set(place, sealed, { ttlMs: 1000 * this.keptSeconds(answer) })
        // This process knows the answer; that the others do not costs another question.
        .catch(() => undefined);
    }
    return checked;
  }

  private async ask(accessToken: string, place: string, previous: Answer | undefined): Promise<CheckedToken> {
    const checked = await this.tokenCheck.check(accessToken);
    const freshUntilSeconds = checked.active
      ? checked.principal.expiresAtSeconds
      : nowInSeconds() + this.options.refusalSeconds;
    const answer = answerSchema.parse({ checked: withFirstSeen(checked, previous), freshUntilSeconds });
    return this.remember(place, answer).checked;
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

  private keptSeconds({ checked }: Answer): number {
    return checked.active ? this.options.maxTokenLifetimeSeconds : this.options.refusalSeconds;
  }
}

function isFresh({ freshUntilSeconds }: Answer): boolean {
  return nowInSeconds() < freshUntilSeconds;
}

function withFirstSeen(checked: CheckedToken, previous: Answer | undefined): CheckedToken {
  if (!checked.active || !previous?.checked.active) return checked;
  const { issuedAtSeconds } = previous.checked.principal;
  return { ...checked, principal: { ...checked.principal, issuedAtSeconds } };
}

function nowInSeconds(): number {
  return Date.now() / 1000;
}

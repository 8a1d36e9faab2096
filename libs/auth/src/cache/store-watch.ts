import { Logger } from '@nestjs/common';

/** A user-token maintains the store at the latest this long after its start. */
const KEPT_WITHIN_MS = 30_000;
const TOLD_AGAIN_MS = 600_000;
const UNKEPT =
  'the user-token that is asked does not keep this store, so that nothing is cached and every request asks it: ENVIRONMENT, AUTH0_ISSUER_URL and REDIS_URL must be those of user-token';

/** Logs why the services of a deployment do not share their cache: settings that differ. */
export class StoreWatch {
  private readonly log = new Logger('AuthModule');
  private readonly toldAtMs = new Map<string, number>();
  private generation: string | undefined;
  /** The last generation that user-token named. */
  private answered: string | undefined;
  private contradictedSinceMs: number | undefined;
  private sinceMs = performance.now();

  /** @param longestLifeMs of an entry */
  constructor(private readonly longestLifeMs: number) {}

  /** Whether the user-token that is asked maintains this store: its generation was seen, and user-token names the same one. */
  get isKept(): boolean {
    return this.generation !== undefined && (this.answered ?? this.generation) === this.generation;
  }

  /** @param generation that came with a verdict; undefined where user-token is of a version that does not send it */
  hears(generation: string | undefined): void {
    if (generation === undefined) return;
    this.answered = generation;
    if (this.isKept || this.generation === undefined) {
      this.contradictedSinceMs = undefined;
      return;
    }
    // A new generation may show in the store or in a verdict first.
    this.contradictedSinceMs ??= performance.now();
    if (performance.now() - this.contradictedSinceMs > KEPT_WITHIN_MS) this.tell(UNKEPT);
  }

  /** @param generation of the store; undefined while its value cannot be trusted */
  sees(generation: string | undefined, serverId: string | undefined): void {
    if (generation === this.generation) {
      if (generation === undefined && serverId !== undefined) this.tellUnkept();
    } else if (generation !== undefined) {
      this.generation = generation;
      this.sinceMs = performance.now();
    }
  }

  /** An entry of this generation did not open. An older entry may still be there. */
  foundSealedOtherwise(): void {
    if (performance.now() - this.sinceMs <= this.longestLifeMs) return;
    this.tell(
      'an entry in Redis was not sealed with this TOKEN_CACHE_SECRET: give all services the same, or each asks user-token for what others have cached',
    );
  }

  private tellUnkept(): void {
    if (performance.now() - this.sinceMs <= KEPT_WITHIN_MS) return;
    this.tell(UNKEPT);
  }

  private tell(trouble: string): void {
    const nowMs = performance.now();
    if (nowMs - (this.toldAtMs.get(trouble) ?? Number.NEGATIVE_INFINITY) < TOLD_AGAIN_MS) return;
    this.toldAtMs.set(trouble, nowMs);
    this.log.warn(trouble);
  }
}

import { Inject, Injectable, Optional, type BeforeApplicationShutdown } from '@nestjs/common';
import { subjectKey, type EpochMessage, type Principal } from '@app/contract';
import { UserTokenUnavailable } from '@app/user-token-client';
import { credentialsOf, tokenKey } from '../cache/cache-keys.js';
import { decideAccess, type AccessRequirement } from '../tokens/access-decision.js';
import { AUTH_OPTIONS, type ResolvedAuthOptions } from '../auth.options.js';
import { readBearerCredentials, type BearerRequest } from './bearer-credentials.js';
import { BearerRefusal, BearerRefusals, VerdictUnavailable } from './bearer-refusal.js';
import { Clock } from '../tokens/clock.js';
import { PrincipalResolver } from '../tokens/principal-resolver.js';
import { RevocationFeed, type RevocationListener } from '../tokens/revocation-feed.js';

/** The part of Node's response that is read. */
export interface RawResponse {
  readonly destroyed: boolean;
  readonly writableFinished: boolean;
  once(event: 'close' | 'finish', listener: () => void): unknown;
}

/** A request that is watched. */
interface Watched {
  readonly token: string;
  readonly requirement: AccessRequirement;
  readonly controller: AbortController;
  /** Key of its subject; {@link UNKNOWN} until a verdict names it. */
  subject: string;
  principal: Principal | undefined;
  isOver: boolean;
  timer: NodeJS.Timeout | undefined;
  isAsking: boolean;
  /** A revocation may have overtaken the last question. */
  askAgain: boolean;
  /** Start of the time without a verdict (performance.now()). */
  doubtedSinceMs: number | undefined;
}

const UNKNOWN = '';
/** For the time when revocations are not heard of. */
const ASK_EVERY_MS = 5_000;
const MAX_DOUBT_MS = 5_000;
const RETRY_AFTER_MS = 1_000;
/** Each watched request needs a question when the feed is lost, and when it is back: not all in one moment. */
const SPREAD_MS = 1_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Judges requests again after the guard has let them in, only for callers of {@link revoked}: when the epoch of their subject
 * changes, when the guard would no longer trust its cache, and every few seconds while revocations are not heard of.
 */
@Injectable()
export class RevocationWatch implements RevocationListener, BeforeApplicationShutdown {
  private readonly bySubject = new Map<string, Set<Watched>>();
  private readonly signals = new WeakMap<object, AbortSignal>();
  private readonly refusals: BearerRefusals;
  private readonly ttlMs: number;
  private stopped = false;

  constructor(
    private readonly resolver: PrincipalResolver,
    private readonly clock: Clock,
    @Inject(AUTH_OPTIONS) { realm, cache }: ResolvedAuthOptions,
    @Optional() @Inject(RevocationFeed) feed: RevocationFeed | undefined,
  ) {
    this.refusals = new BearerRefusals(realm);
    this.ttlMs = 1000 * cache.ttlSeconds;
    // After the process cache, which by then has dropped the revoked subject.
    feed?.tell(this);
  }

  /** How many requests are watched. */
  get size(): number {
    let size = 0;
    for (const watched of this.bySubject.values()) size += watched.size;
    return size;
  }

  /** The same for each call with the same request. */
  signalOf(request: BearerRequest, response: RawResponse, requirement: AccessRequirement): AbortSignal {
    const known = this.signals.get(request);
    if (known) return known;
    const credentials = readBearerCredentials(request);
    const isOver = this.stopped || response.destroyed || response.writableFinished;
    if (isOver || credentials.kind !== 'token') return AbortSignal.abort(unavailable('the request is over'));
    const watched: Watched = {
      token: credentials.token,
      requirement,
      controller: new AbortController(),
      subject: UNKNOWN,
      principal: undefined,
      isOver: false,
      timer: undefined,
      isAsking: false,
      askAgain: false,
      doubtedSinceMs: undefined,
    };
    const { signal } = watched.controller;
    this.signals.set(request, signal);
    this.place(watched, UNKNOWN);
    response.once('close', () => this.forget(watched));
    // A response that is not sent by a Node server is never closed.
    response.once('finish', () => this.forget(watched));
    void this.ask(watched);
    return signal;
  }

  onEpoch({ subjectKey: key }: EpochMessage): void {
    const concerned = [this.bySubject.get(key), this.bySubject.get(UNKNOWN)];
    for (const watched of concerned.flatMap((set) => [...(set ?? [])])) void this.ask(watched);
  }

  onFeedChange(): void {
    for (const watched of this.all()) {
      if (watched.isAsking) watched.askAgain = true;
      else this.askIn(watched, Math.random() * SPREAD_MS);
    }
  }

  /** Open requests would delay the stop, and soon no revocation would be heard of. */
  beforeApplicationShutdown(): void {
    this.stopped = true;
    for (const watched of this.all()) this.end(watched, unavailable('the application stops'));
  }

  private async ask(watched: Watched): Promise<void> {
    watched.askAgain = true;
    if (watched.isAsking) return;
    watched.isAsking = true;
    clearTimeout(watched.timer);
    const startMs = performance.now();
    let objection: BearerRefusal | VerdictUnavailable | undefined;
    // A refusal is final.
    while (watched.askAgain && !watched.isOver && !(objection instanceof BearerRefusal)) {
      watched.askAgain = false;
      objection = await this.objectionTo(watched);
    }
    watched.isAsking = false;
    if (watched.isOver) return;
    if (!objection) {
      watched.doubtedSinceMs = undefined;
      this.askIn(watched, this.trustedMs(watched.principal));
    } else if (objection instanceof VerdictUnavailable && this.mayDoubt(watched, startMs)) {
      this.askIn(watched, RETRY_AFTER_MS);
    } else {
      this.end(watched, objection);
    }
  }

  private async objectionTo(watched: Watched): Promise<BearerRefusal | VerdictUnavailable | undefined> {
    const { token, requirement } = watched;
    try {
      const known = this.resolver.known(credentialsOf(token), this.clock.nowSeconds());
      const principal = known ?? (await this.principalOf(token));
      if (!principal) return this.refusals.tokenInvalid();
      watched.principal = principal;
      if (watched.subject === UNKNOWN) this.place(watched, subjectKey(principal.subject));
      const decision = decideAccess(principal, requirement, this.clock.nowSeconds());
      if (decision.allowed) return undefined;
      return decision.error === 'invalid_token'
        ? this.refusals.tokenInvalid()
        : this.refusals.insufficientScope(decision.needed);
    } catch (error) {
      return unavailable(error);
    }
  }

  private async principalOf(token: string): Promise<Principal | undefined> {
    const verdict = await this.resolver.resolve(tokenKey(token), token, undefined);
    return verdict.active ? verdict.principal : undefined;
  }

  /** How long the guard would trust its cached verdict. */
  private trustedMs(principal: Principal | undefined): number {
    const remainingMs = 1000 * ((principal?.expiresAtSeconds ?? 0) - this.clock.nowSeconds());
    const askEveryMs = this.resolver.hearsOfRevocations ? this.ttlMs : ASK_EVERY_MS;
    return Math.min(remainingMs, askEveryMs * (1 - Math.random() / 2));
  }

  private mayDoubt(watched: Watched, startMs: number): boolean {
    const { principal, requirement } = watched;
    if (principal && !decideAccess(principal, requirement, this.clock.nowSeconds()).allowed) return false;
    watched.doubtedSinceMs ??= startMs;
    return performance.now() - watched.doubtedSinceMs < MAX_DOUBT_MS;
  }

  private askIn(watched: Watched, delayMs: number): void {
    clearTimeout(watched.timer);
    watched.timer = setTimeout(
      () => void this.ask(watched),
      Math.min(Math.ceil(delayMs), MAX_TIMER_MS),
    ).unref();
  }

  private end(watched: Watched, reason: Error): void {
    this.forget(watched);
    watched.controller.abort(reason);
  }

  private forget(watched: Watched): void {
    watched.isOver = true;
    clearTimeout(watched.timer);
    this.displace(watched);
  }

  private place(watched: Watched, subject: string): void {
    if (watched.isOver) return;
    this.displace(watched);
    watched.subject = subject;
    const others = this.bySubject.get(subject);
    if (others) others.add(watched);
    else this.bySubject.set(subject, new Set([watched]));
  }

  private displace(watched: Watched): void {
    const others = this.bySubject.get(watched.subject);
    others?.delete(watched);
    if (others?.size === 0) this.bySubject.delete(watched.subject);
  }

  private all(): Watched[] {
    return [...this.bySubject.values()].flatMap((set) => [...set]);
  }
}

function unavailable(cause: unknown): VerdictUnavailable {
  return new VerdictUnavailable(cause instanceof UserTokenUnavailable ? cause.retryAfterSeconds : 1, cause);
}

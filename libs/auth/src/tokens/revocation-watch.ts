import { Inject, Injectable, Optional, type BeforeApplicationShutdown } from '@nestjs/common';
import {
  principalKey,
  subjectKey,
  type CanonicalToken,
  type EpochMessage,
  type Principal,
} from '@app/contract';
import { UserTokenUnavailable } from '@app/user-token-client';
import { AUTH_OPTIONS, type ResolvedAuthOptions } from '../auth.options.js';
import { credentialsOf } from '../cache/cache-keys.js';
import { decideAccess, type AccessDecision, type AccessRequirement } from './access-decision.js';
import { Clock } from './clock.js';
import { PrincipalResolver } from './principal-resolver.js';
import { invalidToken, type Refusal } from './refusal.js';
import { RevocationFeed, type RevocationListener } from './revocation-feed.js';

/** Why something ends that was let in: the answer that a new request would get. */
export type Objection = Refusal | NoVerdict;

/** No verdict about the token in time. */
export interface NoVerdict {
  readonly allowed: false;
  readonly error: 'temporarily_unavailable';
  /** Seconds. */
  readonly retryAfterSeconds: number;
  /** For the log. */
  readonly cause: unknown;
}

/** What goes on after it was let in: a stream, a download, a socket. */
interface Watched {
  readonly token: CanonicalToken;
  readonly requirement: AccessRequirement;
  readonly onObjection: (objection: Objection) => void;
  /** The {@link subjectKey}; {@link UNKNOWN} until a verdict names its subject. */
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
/** While the revocation feed is not live. */
const ASK_EVERY_MS = 5_000;
const MAX_DOUBT_MS = 5_000;
const RETRY_AFTER_MS = 1_000;
/** All of them need a question when the feed is lost, and when it is back: not in one moment. */
const SPREAD_MS = 1_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Judges again what a guard has let in and still goes on: when the epoch of its subject changes, when the guard would no longer
 * trust its cache, and every 5 seconds while the revocation feed is not live.
 */
@Injectable()
export class RevocationWatch implements RevocationListener, BeforeApplicationShutdown {
  private readonly bySubject = new Map<string, Set<Watched>>();
  private readonly ttlMs: number;
  private stopped = false;

  constructor(
    private readonly resolver: PrincipalResolver,
    private readonly clock: Clock,
    @Inject(AUTH_OPTIONS) { cache }: ResolvedAuthOptions,
    @Optional() @Inject(RevocationFeed) feed: RevocationFeed | undefined,
  ) {
    this.ttlMs = 1000 * cache.ttlSeconds;
    // After the process cache, which by then has dropped the revoked subject.
    feed?.tell(this);
  }

  /** How many are watched. */
  get size(): number {
    let size = 0;
    for (const watched of this.bySubject.values()) size += watched.size;
    return size;
  }

  /**
   * @param onObjection called at most once; the watch is then over
   * @returns ends the watch
   */
  watch(
    token: CanonicalToken,
    requirement: AccessRequirement,
    onObjection: (objection: Objection) => void,
  ): () => void {
    const watched: Watched = {
      token,
      requirement,
      onObjection,
      subject: UNKNOWN,
      principal: undefined,
      isOver: false,
      timer: undefined,
      isAsking: false,
      askAgain: false,
      doubtedSinceMs: undefined,
    };
    if (this.stopped) {
      this.end(watched, noVerdict('the application stops'));
    } else {
      this.list(watched, UNKNOWN);
      void this.ask(watched);
    }
    return () => this.forget(watched);
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

  /** Open requests and sockets would delay the stop, and soon no revocation would be heard of. */
  beforeApplicationShutdown(): void {
    this.stopped = true;
    for (const watched of this.all()) this.end(watched, noVerdict('the application stops'));
  }

  private async ask(watched: Watched): Promise<void> {
    watched.askAgain = true;
    if (watched.isAsking) return;
    watched.isAsking = true;
    clearTimeout(watched.timer);
    const startMs = performance.now();
    let decision = await this.judge(watched);
    while (watched.askAgain && !watched.isOver && !isRefusal(decision)) decision = await this.judge(watched);
    watched.isAsking = false;
    if (watched.isOver) return;
    if (decision.allowed) {
      watched.doubtedSinceMs = undefined;
      this.askIn(watched, this.trustedMs(watched.principal));
    } else if (!isRefusal(decision) && this.mayDoubt(watched, startMs)) {
      this.askIn(watched, RETRY_AFTER_MS);
    } else {
      this.end(watched, decision);
    }
  }

  private async judge(watched: Watched): Promise<AccessDecision | NoVerdict> {
    watched.askAgain = false;
    const { token } = watched;
    try {
      const known = this.resolver.known(credentialsOf(token), this.clock.nowSeconds());
      if (known) return this.decide(watched, known);
      const verdict = await this.resolver.resolve(principalKey(token), token, undefined);
      return verdict.active ? this.decide(watched, verdict.principal) : invalidToken(verdict.reason);
    } catch (error) {
      return noVerdict(error);
    }
  }

  private decide(watched: Watched, principal: Principal): AccessDecision {
    watched.principal = principal;
    if (watched.subject === UNKNOWN) this.list(watched, subjectKey(principal.subject));
    return decideAccess(principal, watched.requirement, this.clock.nowSeconds());
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

  private end(watched: Watched, objection: Objection): void {
    this.forget(watched);
    watched.onObjection(objection);
  }

  private forget(watched: Watched): void {
    watched.isOver = true;
    clearTimeout(watched.timer);
    this.unlist(watched);
  }

  private list(watched: Watched, subject: string): void {
    if (watched.isOver) return;
    this.unlist(watched);
    watched.subject = subject;
    const others = this.bySubject.get(subject);
    if (others) others.add(watched);
    else this.bySubject.set(subject, new Set([watched]));
  }

  private unlist(watched: Watched): void {
    const others = this.bySubject.get(watched.subject);
    others?.delete(watched);
    if (others?.size === 0) this.bySubject.delete(watched.subject);
  }

  private all(): Watched[] {
    return [...this.bySubject.values()].flatMap((set) => [...set]);
  }
}

/** A refusal is final. */
function isRefusal(decision: AccessDecision | NoVerdict): decision is Refusal {
  return !decision.allowed && decision.error !== 'temporarily_unavailable';
}

function noVerdict(cause: unknown): NoVerdict {
  const retryAfterSeconds = cause instanceof UserTokenUnavailable ? cause.retryAfterSeconds : 1;
  return { allowed: false, error: 'temporarily_unavailable', retryAfterSeconds, cause };
}

import { setTimeout as delay } from 'node:timers/promises';
import { issuedTokenSubjectKey, subjectKey, type GrantedToken, type GrantResult } from '@app/contract';
import { Busy } from '../../apps/user-token/src/core/busy.js';
import type { AskingClient } from '../../apps/user-token/src/core/tokens/token-issuance.js';
import {
  credentialId,
  credentialOf,
  refreshTokensOf,
} from '../../apps/user-token/src/core/sessions/sessions.js';
import { PORTAL } from '../support/core/interleavings.js';
import { Operation, SteppedCore, type Replica } from '../support/core/stepped-core.js';

export const KINDS = [
  'log in',
  'refresh',
  'log out',
  'log out everywhere',
  'end by the list of sessions',
] as const;

/** What a user does. Numbers choose among what there is when it begins. */
export interface Deed {
  readonly kind: (typeof KINDS)[number];
  /** The session that it is about; for a log-in, its user. */
  readonly session: number;
  /** By which of the tokens that the session was given. */
  readonly token: number;
  /** Which user-token is asked. */
  readonly at: 0 | 1;
  /** For a log-in: by a registered client. */
  readonly byClient: boolean;
  /** After how many halves of calls its user-token crashes; null: it does not. */
  readonly crashesAfter: number | null;
}

export interface Schedule {
  readonly deeds: readonly Deed[];
  /** Which of those that can go on does, for half a call; once this is used up, the first. */
  readonly order: readonly number[];
  /** Before which of these halves all locks expire; they also do when all wait for one whose holder has crashed. */
  readonly locksExpireAt: readonly number[];
  /** Whether the authorization server still takes a refresh token that it has replaced. */
  readonly leeway: boolean;
}

const USERS = ['ada', 'grace'] as const;
/** Longer than a deed sleeps that asks again and again for a lock. */
const WAKES_WITHIN_MS = 100;
/** Longer than it takes until a grant is stored that the holder of a lost lock was given. */
const STORED_WITHIN_MS = 5_000;
const MAX_EXPIRIES = 10;

/** A span of time, in steps. */
interface Span {
  readonly from: number;
  /** Infinity for what never came to its end. */
  readonly to: number;
}

interface KnownSession {
  readonly subject: string;
  readonly client: AskingClient | undefined;
  readonly id: string;
  /** Names the refresh tokens that upstream has given it. */
  readonly family: number;
  /** When its log-in was under way. */
  readonly began: Span;
  /** In the order in which they were given. */
  readonly given: GrantedToken[];
  /** What was given for each credential, by refreshes. */
  readonly next: Map<string, Set<string>>;
  /** A refresh was granted what no replica stored, or may have been: upstream may be asked by a spent token, and end it. */
  isLossy: boolean;
}

/** What can end sessions. */
interface End extends Span {
  readonly subject: string;
  /** Absent: all of the user. */
  readonly session?: KnownSession | undefined;
  readonly acknowledged: boolean;
}

/** A deed that has begun. */
class Doing {
  readonly operation: Operation<unknown>;
  halves = 0;
  crashed = false;
  /** Whether locks have expired meanwhile. */
  outlived = false;
  to = Infinity;
  acknowledged = false;
  /** How much had changed when it began to wait for others; undefined while it does not. */
  waitsSince: number | undefined;

  constructor(
    readonly deed: Deed,
    readonly username: string,
    readonly session: KnownSession | undefined,
    /** What it presents. */
    readonly credential: string | undefined,
    readonly from: number,
    work: () => Promise<unknown>,
  ) {
    this.operation = new Operation(work, 'every');
  }

  get subject(): string {
    return `auth0|${this.username}`;
  }

  get isOver(): boolean {
    return this.crashed || this.operation.isSettled;
  }

  /** Upstream is being asked, or has granted what is not stored yet, or may not have been: a lost lock stores nothing. */
  get hasUnstoredGrant(): boolean {
    const { calls, reached } = this.operation;
    const asked = calls.findLastIndex((call) => call.startsWith('issuer.grant'));
    if (asked === -1) return false;
    const stored = calls.indexOf('store.writeAllIfEqual', asked);
    return this.outlived || stored === -1 || (stored === calls.length - 1 && reached?.side === 'before');
  }
}

/** Carries out a schedule on two user-tokens, and finds what is wrong. */
export class SessionSchedule {
  private readonly wrong: string[] = [];
  private readonly sessions: KnownSession[] = [];
  private readonly doings: Doing[] = [];
  /** Refresh tokens that were granted to deeds that crashed before they were stored. */
  private readonly lost = new Set<string>();
  private step = 0;
  /** Counts all that others may have waited for. */
  private changes = 0;

  private constructor(
    private readonly core: SteppedCore,
    private readonly schedule: Schedule,
  ) {}

  /** @returns what was wrong, a sentence each */
  static async run(schedule: Schedule): Promise<readonly string[]> {
    const core = await SteppedCore.open();
    try {
      core.issuer.leeway = schedule.leeway;
      const run = new SessionSchedule(core, schedule);
      for (const [username, client] of [['ada'], ['ada', PORTAL], ['grace']] as const)
        await run.learn(username, client, await core.replicas[0].loggedIn(username, client), {
          from: 0,
          to: 0,
        });
      await run.execute();
      await run.check();
      return run.wrong;
    } finally {
      await core.close();
    }
  }

  private async execute(): Promise<void> {
    const todo = [...this.schedule.deeds];
    const order = [...this.schedule.order];
    for (let expiries = 0; todo.length > 0 || this.doings.some(({ isOver }) => !isOver);) {
      this.step += 1;
      if (this.schedule.locksExpireAt.includes(this.step)) this.expireLocks();
      const ready = this.doings.filter((doing) => this.mayGoOn(doing));
      const choices = ready.length + Math.min(1, todo.length);
      if (choices === 0) {
        if ((expiries += 1) > MAX_EXPIRIES) throw new Error('all wait for each other');
        this.expireLocks();
        continue;
      }
      const doing = ready[(order.shift() ?? 0) % choices];
      if (doing) await this.goOn(doing);
      else await this.start(todo.shift()!);
    }
    this.expireLocks();
  }

  private mayGoOn({ isOver, operation, waitsSince }: Doing): boolean {
    return !isOver && (operation.isStopped || waitsSince! < this.changes);
  }

  private async start(deed: Deed): Promise<void> {
    const isLogIn = deed.kind === 'log in';
    const session = isLogIn ? undefined : this.sessions[deed.session % this.sessions.length]!;
    const username = session?.subject.slice('auth0|'.length) ?? USERS[deed.session % USERS.length]!;
    const token = session?.given[deed.token % session.given.length];
    const replica = this.core.replicas[deed.at];
    const work = () =>
      session ? this.perform(deed, session, token!, replica) : replica.tryLogIn(username, clientOf(deed));
    const doing = new Doing(deed, username, session, token && credentialOf(token), this.step, work);
    this.doings.push(doing);
    await this.untilIdle(doing);
  }

  private perform(
    deed: Deed,
    session: KnownSession,
    token: GrantedToken,
    replica: Replica,
  ): Promise<unknown> {
    const { subject, client, id } = session;
    switch (deed.kind) {
      case 'log in':
        throw new Error('it has no session yet');
      case 'refresh':
        return replica.tryRefresh(credentialOf(token), client);
      case 'log out':
        return client
          ? replica.issuedTokens.revoke(credentialOf(token), client.clientId)
          : replica.logOut.execute(token.accessToken);
      case 'log out everywhere':
        return client
          ? replica.revokeSubject.execute(subject).then(() => ({ ended: true }))
          : replica.revokeSubject.executeFor(token.accessToken);
      case 'end by the list of sessions': {
        const own = this.sessions.findLast((other) => other.subject === subject && !other.client)!;
        return replica.userSessions.end(own.given.at(-1)!.accessToken, id);
      }
    }
  }

  private async goOn(doing: Doing): Promise<void> {
    const { operation, deed } = doing;
    const deadline = performance.now() + WAKES_WITHIN_MS;
    while (!operation.isStopped && !operation.isSettled && performance.now() < deadline) await delay(1);
    if (operation.isStopped) {
      if (deed.crashesAfter !== null && doing.halves >= deed.crashesAfter) return this.crash(deed.at);
      doing.halves += 1;
      // These may give a lock back.
      if (/deleteIfEqual|writeAllIfEqual/.test(String(operation.reached?.at))) this.changes += 1;
      operation.goOn();
    }
    await this.untilIdle(doing);
  }

  private async untilIdle(doing: Doing): Promise<void> {
    const { operation } = doing;
    await operation.idle();
    doing.waitsSince = this.changes;
    if (!operation.isSettled) return;
    this.changes += 1;
    doing.to = this.step;
    const outcome = await operation.outcome;
    if ('error' in outcome) this.judge(doing, outcome.error);
    else await this.hear(doing, outcome.value);
  }

  /** With all that is under way at this user-token. */
  private async crash(at: 0 | 1): Promise<void> {
    this.changes += 1;
    for (const doing of this.doings) {
      if (doing.isOver || doing.deed.at !== at) continue;
      doing.crashed = true;
      if (!doing.hasUnstoredGrant) continue;
      if (doing.session) doing.session.isLossy = true;
      for (const refreshToken of await this.orphansOf(doing.subject)) this.lost.add(refreshToken);
    }
    await this.core.restart(at);
  }

  private expireLocks(): void {
    this.core.outlastLocks();
    this.changes += 1;
    for (const doing of this.doings) {
      if (doing.isOver) continue;
      doing.outlived = true;
      if (doing.session && doing.hasUnstoredGrant) doing.session.isLossy = true;
    }
  }

  private judge({ deed, outlived }: Doing, error: Error): void {
    const isOvertaken = outlived && error instanceof Busy;
    const isBeingRevoked = deed.kind === 'log in' && error.message.includes('being revoked');
    if (!isOvertaken && !isBeingRevoked) this.wrong.push(`to ${deed.kind} failed: ${error.stack}`);
  }

  private async hear(doing: Doing, answer: unknown): Promise<void> {
    const { deed, session } = doing;
    if (deed.kind === 'log in') {
      const result = answer as GrantResult;
      if (result.granted) await this.learn(doing.username, clientOf(deed), result.token, doing);
      else this.wrong.push(`a log-in was refused: ${result.error}`);
    } else if (deed.kind === 'refresh') this.hearOfRefresh(doing, session!, answer as GrantResult);
    else {
      const { ended, outcome } = answer as { ended?: boolean; outcome?: string };
      doing.acknowledged = ended === true || outcome === 'revoked';
    }
  }

  private async learn(
    username: string,
    client: AskingClient | undefined,
    token: GrantedToken,
    { from, to }: Span,
  ): Promise<void> {
    const state = await this.core.replicas[0].sessions.find(credentialOf(token));
    if (state?.kind !== 'open') return void this.wrong.push('a log-in has started no session');
    const { id, subject, refreshToken } = state.session;
    if (subject !== `auth0|${username}`) this.wrong.push('a log-in has started the session of another user');
    const { family } = this.core.issuer.refreshTokens.get(refreshToken!)!;
    const session = {
      subject,
      client,
      id,
      family,
      began: { from, to },
      given: [],
      next: new Map(),
      isLossy: false,
    };
    this.give(session, token);
    this.sessions.push(session);
  }

  private hearOfRefresh({ credential, from }: Doing, session: KnownSession, result: GrantResult): void {
    if (result.granted) {
      if (this.endsOf(session).some((end) => isSure(end, session) && end.to < from))
        this.wrong.push('a session was refreshed after its log-out');
      const next = session.next.get(credential!) ?? new Set();
      session.next.set(credential!, next.add(credentialOf(result.token)));
      if (next.size > 1 && !session.isLossy)
        this.wrong.push('two refreshes by one token were given different ones');
      this.give(session, result.token);
    } else if (!session.isLossy && this.endsOf(session).length === 0)
      this.wrong.push(`an open session was not refreshed: ${result.error}`);
  }

  private give(session: KnownSession, token: GrantedToken): void {
    const { subject, client, family, given } = session;
    if (client) {
      if (issuedTokenSubjectKey(token.accessToken) !== subjectKey(subject))
        this.wrong.push('an answer holds the token of another user');
    } else if (this.core.issuer.accessTokens.get(token.accessToken)?.family !== family)
      this.wrong.push('an answer holds the token of another session');
    for (const other of this.sessions)
      if (other !== session && other.given.some((one) => credentialOf(one) === credentialOf(token)))
        this.wrong.push('two sessions have one credential');
    given.push(token);
  }

  /** What has ended this session, or may have. */
  private endsOf(session: KnownSession): End[] {
    return this.doings
      .filter(({ deed }) => deed.kind !== 'log in' && deed.kind !== 'refresh')
      .map(({ deed, subject, session: of, from, to, acknowledged }): End => {
        const isOfAll = deed.kind === 'log out everywhere';
        return { subject, session: isOfAll ? undefined : of, from, to, acknowledged };
      })
      .filter((end) =>
        end.session
          ? end.session === session
          : end.subject === session.subject && end.to >= session.began.from,
      );
  }

  private async check(): Promise<void> {
    const { issuer } = this.core;
    const lossy = new Set(this.sessions.filter(({ isLossy }) => isLossy).map(({ family }) => family));
    for (const { asked, family } of issuer.refreshTokens.values())
      if (asked > 1 && !lossy.has(family)) this.wrong.push('a refresh token was used twice');
    await this.expectNoOrphans();
    for (const session of this.sessions) {
      const ends = this.endsOf(session);
      if (ends.some((end) => isSure(end, session))) await this.expectOver(session);
      else if (ends.length === 0 && !session.isLossy) await this.expectOpen(session);
    }
  }

  private async expectNoOrphans(): Promise<void> {
    // Who ends a session by the list has not what revokes its refresh token.
    const unopened = new Set(
      this.doings
        .filter(({ deed }) => deed.kind === 'end by the list of sessions')
        .map(({ session }) => session!.family),
    );
    const orphans = async () => {
      const all = await Promise.all(USERS.map((username) => this.orphansOf(`auth0|${username}`)));
      const familyOf = (refreshToken: string) => this.core.issuer.refreshTokens.get(refreshToken)!.family;
      return all.flat().filter((token) => !this.lost.has(token) && !unopened.has(familyOf(token)));
    };
    const deadline = performance.now() + STORED_WITHIN_MS;
    while ((await orphans()).length > 0) {
      const mayBeStored = this.doings.some(({ outlived }) => outlived) && performance.now() < deadline;
      if (!mayBeStored)
        return void this.wrong.push('a refresh token is in force upstream, and no session has it');
      await delay(100);
    }
  }

  /** Refresh tokens that are in force upstream, and that no session in the store leads to. */
  private async orphansOf(subject: string): Promise<string[]> {
    const { issuer, replicas } = this.core;
    const { sessions } = replicas[0];
    const owned = new Set<string>();
    const open = new Set<string>();
    const given = this.sessions
      .filter((session) => session.subject === subject)
      .flatMap((session) => session.given);
    const todo = new Set([...issuer.accessTokensOf(subject), ...given.map(credentialOf)]);
    // What is added meanwhile comes, too.
    for (const credential of todo) {
      const state = await sessions.find(credential);
      if (state?.kind === 'refreshed') todo.add(credentialOf(state.token));
      if (state?.kind !== 'open') continue;
      open.add(credentialId(credential));
      for (const refreshToken of refreshTokensOf(state.session)) owned.add(refreshToken);
    }
    // A pair that was made for a client and that no client got: the user sees it in the list.
    const isHidden = (await sessions.entriesOf(subject)).some((entry) => !open.has(entry.credentialId));
    return isHidden ? [] : issuer.inForce(subject).filter((refreshToken) => !owned.has(refreshToken));
  }

  private async expectOver({ given, client }: KnownSession): Promise<void> {
    for (const replica of this.core.replicas)
      for (const token of given) {
        if (await replica.isActive(token.accessToken)) this.wrong.push('a token is active after its log-out');
        if ((await replica.tryRefresh(credentialOf(token), client)).granted)
          this.wrong.push('a session is refreshed after its log-out');
      }
  }

  private async expectOpen({ given, client, subject }: KnownSession): Promise<void> {
    const [one, other] = this.core.replicas;
    const last = given.at(-1)!;
    for (const replica of this.core.replicas) {
      const verdict = await replica.verifyToken.execute(last.accessToken);
      if (!verdict.active) this.wrong.push('the token of an open session is refused');
      else if (verdict.principal.subject !== subject) this.wrong.push('a token speaks for another user');
    }
    const result = await one.tryRefresh(credentialOf(last), client);
    if (!result.granted) this.wrong.push(`an open session is not refreshed: ${result.error}`);
    else if (!(await other.isActive(result.token.accessToken)))
      this.wrong.push('a refreshed token is refused');
  }
}

function clientOf({ byClient }: Deed): AskingClient | undefined {
  return byClient ? PORTAL : undefined;
}

/** Whether the session was there before that began, and is over since that was acknowledged. */
function isSure({ acknowledged, from }: End, { began }: KnownSession): boolean {
  return acknowledged && began.to < from;
}

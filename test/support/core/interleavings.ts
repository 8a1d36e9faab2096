import { issuedTokenKind, type GrantedToken, type GrantResult } from '@app/contract';
import { Busy } from '../../../apps/user-token/src/core/busy.js';
import type { AskingClient } from '../../../apps/user-token/src/core/tokens/token-issuance.js';
import {
  credentialId,
  credentialOf,
  refreshTokensOf,
  type SessionState,
} from '../../../apps/user-token/src/core/sessions/sessions.js';
import { Operation, type Replica, type SteppedCore, type Stop } from './stepped-core.js';

export const PORTAL: AskingClient = { clientId: 'portal', allowed: ['read:venues', 'write:venues'] };

/** What can happen to a session. */
export type Kind =
  'a refresh' | 'a log-in' | 'a log-out' | 'a log-out everywhere' | 'an end by the list of sessions';

/** Whose session it is: of our own front ends, or of a registered client. */
export type Holder = 'our own front ends' | 'a client';

/**
 * `goes on`: the one that was stopped goes on once the other is over, or waits for it. `stalls`: it stands still for longer than it
 * may hold the session, and goes on then. `crashes`: it never goes on; the other comes when its lock has expired.
 */
export type Fate = 'goes on' | 'stalls' | 'crashes';

export interface Pair {
  readonly stopped: Kind;
  readonly other: Kind;
  readonly fate: Fate;
  readonly holder: Holder;
  /** Which of two user-tokens the other is asked at. */
  readonly at: 'the same replica' | 'another replica';
  /** Whether the authorization server still takes a refresh token that it has replaced. */
  readonly leeway?: boolean;
}

const KINDS: readonly Kind[] = [
  'a refresh',
  'a log-in',
  'a log-out',
  'a log-out everywhere',
  'an end by the list of sessions',
];

/** Everything that can come while this one is under way. */
export function pairsOf(stopped: Kind): Pair[] {
  const places = ['the same replica', 'another replica'] as const;
  const pairs: Pair[] = [];
  for (const other of KINDS)
    for (const holder of ['our own front ends', 'a client'] as const) {
      for (const at of places) pairs.push({ stopped, other, fate: 'goes on', holder, at });
      pairs.push({ stopped, other, fate: 'crashes', holder, at: 'another replica' });
      for (const at of places)
        for (const leeway of [false, true])
          pairs.push({ stopped, other, fate: 'stalls', holder, at, leeway });
    }
  return pairs;
}

type Ended = { readonly ended: boolean };
type Answer = GrantResult | Ended;

let users = 0;

/** A user with the session under test, and with one of our own front ends, which shows it. */
class User {
  readonly name = `user-${(users += 1)}`;
  readonly subject = `auth0|${this.name}`;
  session!: GrantedToken;
  /** Its id in the list of the user's sessions. */
  sessionId!: string;
  watching!: GrantedToken;
  /** Tokens that answers gave out, by the session they are of. */
  readonly given: GrantedToken[] = [];
  readonly givenAnew: GrantedToken[] = [];

  private constructor(
    readonly core: SteppedCore,
    readonly client: AskingClient | undefined,
  ) {}

  static async withSession(core: SteppedCore, holder: Holder): Promise<User> {
    const user = new User(core, holder === 'a client' ? PORTAL : undefined);
    const [replica] = core.replicas;
    user.watching = await replica.loggedIn(user.name);
    user.session = await replica.loggedIn(user.name, user.client);
    user.given.push(user.session);
    const state = await replica.sessions.find(user.credential);
    if (state?.kind !== 'open') throw new Error('the log-in has started no session');
    user.sessionId = state.session.id;
    return user;
  }

  get credential(): string {
    return credentialOf(this.session);
  }

  async perform(kind: Kind, replica: Replica): Promise<Answer> {
    switch (kind) {
      case 'a refresh': {
        const result = await replica.tryRefresh(this.credential, this.client);
        if (result.granted) this.given.push(result.token);
        return result;
      }
      case 'a log-in': {
        const result = await replica.tryLogIn(this.name, this.client);
        if (result.granted) this.givenAnew.push(result.token);
        return result;
      }
      case 'a log-out':
        if (!this.client) return replica.logOut.execute(this.session.accessToken);
        // RFC 7009: a token that is not known is as good as revoked.
        return {
          ended:
            (await replica.issuedTokens.revoke(this.credential, this.client.clientId)).outcome !== 'foreign',
        };
      case 'a log-out everywhere': {
        const result = await replica.revokeSubject.executeFor(this.watching.accessToken);
        // The one before has got so far.
        return { ended: result.ended || result.reason === 'revoked' };
      }
      case 'an end by the list of sessions': {
        const result = await replica.userSessions.end(this.watching.accessToken, this.sessionId);
        // It is not on the list any more, or nothing of its user is left.
        return { ended: result.ended || ['unknown_session', 'revoked'].includes(result.reason) };
      }
    }
  }

  /** Refresh tokens that are in force upstream, and that no session in the store leads to. */
  async orphans(): Promise<string[]> {
    const inForce = this.core.issuer.inForce(this.subject);
    const { owned, isHidden } = await this.owned();
    return isHidden ? [] : inForce.filter((refreshToken) => !owned.has(refreshToken));
  }

  private async owned(): Promise<{ readonly owned: Set<string>; readonly isHidden: boolean }> {
    const { sessions } = this.core.replicas[0];
    const owned = new Set<string>();
    const seen = new Set<string>();
    const open = new Set<string>();
    const todo = [
      ...this.core.issuer.accessTokensOf(this.subject),
      ...[this.watching, ...this.given, ...this.givenAnew].map(credentialOf),
    ];
    for (let credential = todo.pop(); credential !== undefined; credential = todo.pop()) {
      if (seen.has(credential)) continue;
      seen.add(credential);
      const state: SessionState | undefined = await sessions.find(credential);
      if (state?.kind === 'refreshed') todo.push(credentialOf(state.token));
      if (state?.kind !== 'open') continue;
      open.add(credentialId(credential));
      for (const refreshToken of refreshTokensOf(state.session)) owned.add(refreshToken);
    }
    // A pair that was minted for a client and given to no one: it is on the list of the user's sessions, and ended from there.
    const isHidden = (await sessions.entriesOf(this.subject)).some((entry) => !open.has(entry.credentialId));
    return { owned, isHidden };
  }
}

/** Runs one of a pair up to each side of each of its calls, and the other then. @returns what was wrong, a sentence each */
export async function interleave(core: SteppedCore, pair: Pair): Promise<string[]> {
  core.issuer.leeway = pair.leeway ?? false;
  const alone = await User.withSession(core, pair.holder);
  const undisturbed = new Operation(() => alone.perform(pair.stopped, core.replicas[0]));
  await undisturbed.outcome;
  const count = undisturbed.calls.length;
  if (count < 3) throw new Error(`${pair.stopped} made ${count} calls only`);
  const stops = Array.from({ length: count }, (_, index) =>
    (['before', 'after'] as const).map((side) => ({ at: index + 1, side })),
  ).flat();
  // Each has a user of its own; together they wait no longer for locks than one does.
  const orders = await Promise.all(stops.map((stop) => Interleaving.of(core, pair, stop)));
  if (pair.fate !== 'goes on') core.outlastLocks();
  await Promise.all(orders.map((order) => order.execute()));
  const wrong = orders.flatMap((order) => order.wrong);
  // Between the grant and its write, and at no other time.
  const orphaned = orders.map((order) => order.orphansAtStop.length > 0);
  const last = orphaned.lastIndexOf(true);
  if (last - orphaned.indexOf(true) + 1 > orphaned.filter(Boolean).length && last >= 0)
    wrong.push(`${orders[last]!.where}: what is stored has no owner`);
  return wrong;
}

/** One order in which the two come. */
class Interleaving {
  readonly wrong: string[] = [];
  /** Refresh tokens that no session has when it stops: granted, and not stored yet. */
  orphansAtStop: string[] = [];
  private readonly tell = (what: string) => void this.wrong.push(`${this.where}: ${what}`);

  private constructor(
    private readonly core: SteppedCore,
    private readonly pair: Pair,
    private readonly user: User,
    private readonly stopped: Operation<Answer>,
  ) {}

  static async of(core: SteppedCore, pair: Pair, stop: Stop): Promise<Interleaving> {
    const user = await User.withSession(core, pair.holder);
    const stopped = new Operation(() => user.perform(pair.stopped, core.replicas[0]), stop);
    await stopped.idle();
    const order = new Interleaving(core, pair, user, stopped);
    if (!stopped.isStopped) order.tell('it was not stopped');
    order.where = `${stop.side} call ${stopped.calls.length}, ${stopped.calls.at(-1)}`;
    return order;
  }

  where = '';
  /** Those that did not crash. */
  private get alive(): readonly Replica[] {
    return this.pair.fate === 'crashes' ? this.core.replicas.slice(1) : this.core.replicas;
  }

  /** It stands still while upstream is asked, or its answer is on the way into the store: another may ask for the same. */
  private isAsking = false;

  async execute(): Promise<void> {
    const { core, pair, user, stopped } = this;
    const replica = core.replicas[pair.at === 'the same replica' ? 0 : 1];
    this.orphansAtStop = await user.orphans();
    const asksLater = pair.fate === 'stalls' && stopped.calls.at(-1) === 'issuer.grantRefresh';
    this.isAsking =
      pair.stopped === 'a refresh' && pair.fate !== 'goes on' && (asksLater || this.orphansAtStop.length > 0);
    const grantedBefore = core.issuer.accessTokensOf(user.subject);
    const other = new Operation(() => user.perform(pair.other, replica));
    await other.idle();
    // At one replica they may wait for one answer about a token.
    if (pair.fate !== 'goes on' && pair.at === 'another replica' && !other.isSettled)
      this.tell('the other waits for one whose lock has expired');
    if (pair.fate !== 'crashes') stopped.goOn();
    const answer = this.valueOf('the other', await other.outcome);
    let own = pair.fate === 'crashes' ? undefined : this.valueOf('the stopped one', await stopped.outcome);
    // An operation that crashed, or was answered 503, is tried again.
    own ??= await user.perform(pair.stopped, core.replicas[1]);
    const again = answer ?? (await user.perform(pair.other, core.replicas[1]));
    await this.check(own, again, grantedBefore);
  }

  private valueOf(
    who: string,
    outcome: { readonly value: Answer } | { readonly error: Error },
  ): Answer | undefined {
    if ('value' in outcome) return outcome.value;
    const mayBeOvertaken = this.pair.fate === 'stalls' && outcome.error instanceof Busy;
    const mayBeRevoked = outcome.error instanceof Busy && outcome.error.message.includes('being revoked');
    if (!mayBeOvertaken && !mayBeRevoked) this.tell(`${who} failed: ${outcome.error.stack}`);
    return undefined;
  }

  private async check(own: Answer, other: Answer, grantedBefore: readonly string[]): Promise<void> {
    const { core, pair, user, tell } = this;
    const { issuer } = core;
    const answers = [
      { kind: pair.stopped, answer: own },
      { kind: pair.other, answer: other },
    ];
    const isEnded = (kinds: readonly Kind[]) =>
      answers.some(({ kind, answer }) => kinds.includes(kind) && 'ended' in answer && answer.ended);
    const isOver = isEnded(['a log-out', 'a log-out everywhere', 'an end by the list of sessions']);
    const lost = new Set(pair.fate === 'crashes' ? this.orphansAtStop : []);
    // Without leeway, upstream ends all that came of a refresh token that is used twice: the price is a log-in.
    const mayBeLost = this.isAsking && !pair.leeway;

    // One upstream call for each refresh.
    if (!this.isAsking && issuer.askedAgain(user.subject).length > 0) tell('a refresh token was used twice');

    // No answer holds the token of another user.
    const watchingId = issuer.accessTokens.get(user.watching.accessToken)!.family;
    for (const { accessToken } of [...user.given, ...user.givenAnew]) {
      const { subject, family } = await this.ownerOf(accessToken);
      if (subject !== undefined && subject !== user.subject)
        tell('an answer holds the token of another user');
      if (family === watchingId) tell('an answer holds the token of another session');
    }
    const anew = new Set(user.givenAnew.map(credentialOf));
    if (user.given.some((token) => anew.has(credentialOf(token)))) tell('two sessions have one credential');

    // No session after its log-out.
    const last = user.given.at(-1)!;
    if (isOver) await this.expectOver([...user.given], 'that was ended');
    else if (!(await this.isOpen(last))) {
      if (!mayBeLost) tell('the session is over, and no operation ended it');
      await this.expectOver([...user.given], 'that is over');
    } else {
      const replays = user.given.slice(1).filter((token) => credentialOf(token) !== credentialOf(last));
      if (replays.length > 0) tell('two refreshes by one token were given different ones');
      if (!mayBeLost) await this.expectOpen(last);
      else if (!(await core.replicas[1].tryRefresh(credentialOf(last), user.client)).granted)
        await this.expectOver([...user.given], 'that upstream has ended');
    }
    if (isEnded(['a log-out everywhere'])) {
      for (const accessToken of grantedBefore)
        if (await this.isActiveSomewhere(accessToken))
          tell('access of before the log-out everywhere is left');
    }
    for (const token of [...user.givenAnew]) {
      const isOpen = await this.isOpen(token);
      if (!isOpen && !isEnded(['a log-out everywhere'])) tell('a log-in is over, and no operation ended it');
      if (isOpen) await this.expectOpen(token);
      else await this.expectOver([token], 'of the log-in');
    }

    // No refresh token without an owner.
    const isByEntry = answers.some(({ kind }) => kind === 'an end by the list of sessions');
    for (const refreshToken of isByEntry ? [] : await user.orphans())
      if (!lost.has(refreshToken)) tell('a refresh token is in force upstream, and no session has it');

    // And the user comes in again.
    const replica = core.replicas[1];
    const next = await replica.tryLogIn(user.name, user.client);
    if (!next.granted) return tell(`the next log-in was refused: ${next.error}`);
    await this.expectOpen(next.token);
  }

  private async ownerOf(
    accessToken: string,
  ): Promise<{ subject?: string | undefined; family?: number | undefined }> {
    if (issuedTokenKind(accessToken) === undefined) {
      const known = this.core.issuer.accessTokens.get(accessToken);
      return { subject: known?.principal.subject, family: known?.family };
    }
    const verdict = await this.core.replicas[1].verifyToken.execute(accessToken);
    return { subject: verdict.active ? verdict.principal.subject : undefined };
  }

  private async isActiveSomewhere(accessToken: string): Promise<boolean> {
    const verdicts = await Promise.all(this.alive.map((replica) => replica.isActive(accessToken)));
    return verdicts.some(Boolean);
  }

  /** By what the store says: nothing is refreshed by asking. */
  private async isOpen(token: GrantedToken): Promise<boolean> {
    const [, replica] = this.core.replicas;
    const state = await replica.sessions.find(credentialOf(token));
    return state?.kind === 'open' && (await replica.isActive(token.accessToken));
  }

  private async expectOpen(token: GrantedToken): Promise<void> {
    const { core, user, tell } = this;
    for (const replica of this.alive)
      if (!(await replica.isActive(token.accessToken))) tell('the token of an open session is refused');
    const result = await core.replicas[1].tryRefresh(credentialOf(token), user.client);
    if (!result.granted) return tell(`an open session is not refreshed: ${result.error}`);
    if (!(await core.replicas[1].isActive(result.token.accessToken))) tell('a refreshed token is refused');
    if (token === user.given.at(-1)) user.given.push(result.token);
    else user.givenAnew.push(result.token);
  }

  private async expectOver(tokens: readonly GrantedToken[], which: string): Promise<void> {
    const { user, tell } = this;
    for (const token of tokens) {
      if (await this.isActiveSomewhere(token.accessToken)) tell(`a token of a session ${which} is active`);
      for (const replica of this.alive) {
        const result = await replica.tryRefresh(credentialOf(token), user.client);
        if (result.granted) tell(`a session ${which} was refreshed`);
      }
    }
  }
}

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes, randomUUID } from 'node:crypto';
import { jest } from '@jest/globals';
import { createLogger, type Logger } from '@app/ops';
import { openStore, StoreUnavailable, type SharedStore } from '@app/store';
import {
  credentialId,
  RefusalLog,
  sessionKey,
  type GrantedToken,
  type GrantResult,
  type Principal,
} from '@app/contract';
import { StoreDenials } from '../../../apps/user-token/src/adapters/denials/store-denials.js';
import { IssuedTokenCheck } from '../../../apps/user-token/src/adapters/token-checks/issued-token-check.js';
import { SealedBox } from '../../../apps/user-token/src/adapters/store/sealed-box.js';
import { SealedMfaHandles } from '../../../apps/user-token/src/adapters/store/sealed-mfa-handles.js';
import { StoreAttempts } from '../../../apps/user-token/src/adapters/store/store-attempts.js';
import {
  StoreIssuedAccessTokens,
  StoreSessions,
} from '../../../apps/user-token/src/adapters/store/store-sessions.js';
import { TokenCheckByForm } from '../../../apps/user-token/src/adapters/token-checks/token-check-by-form.js';
import {
  AuthorizationServer,
  type Credentials,
  type UpstreamGrant,
  type UpstreamRefusal,
  type UserInfo,
} from '../../../apps/user-token/src/core/authorization-server.js';
import {
  TokenIssuances,
  type AskingClient,
} from '../../../apps/user-token/src/core/tokens/token-issuance.js';
import { IssuedTokens } from '../../../apps/user-token/src/core/tokens/issued-tokens.js';
import { LogIn } from '../../../apps/user-token/src/core/log-in/log-in.js';
import { LogOut } from '../../../apps/user-token/src/core/sessions/log-out.js';
import { RefreshSession } from '../../../apps/user-token/src/core/sessions/refresh-session.js';
import { RevokeSubject } from '../../../apps/user-token/src/core/sessions/revoke-subject.js';
import { SessionAccess } from '../../../apps/user-token/src/core/sessions/session-access.js';
import { TokenCheck, type CheckedToken } from '../../../apps/user-token/src/core/tokens/token-check.js';
import { UserSessions } from '../../../apps/user-token/src/core/sessions/user-sessions.js';
import { VerifyToken } from '../../../apps/user-token/src/core/tokens/verify-token.js';
import { giveGeneration } from '../redis/store-generation.js';

const ISSUER = 'https://issuer.example/';
const API = 'https://api.example/';
const OWN_CLIENT = 'own-client';
const SCOPE = 'read:venues write:venues';
const LOCK_MS = 17_000;
/** Longer than locks are outlasted in one spec. */
const REPLAY_SECONDS = 600;

/** Where an operation is stopped: at which of its calls, by number or name, and on which side of it. */
export interface Stop {
  readonly at: number | string;
  readonly side: 'before' | 'after';
}

export type Outcome<T> = { readonly value: T } | { readonly error: Error };

const operations = new AsyncLocalStorage<Operation<unknown>>();

/** One call of a use case, which stops where the spec wants it to: before a call of it goes out, or before its answer is seen. */
export class Operation<T> {
  /** What it has called so far. */
  readonly calls: string[] = [];
  readonly outcome: Promise<Outcome<T>>;
  isSettled = false;
  isStopped = false;
  /** Where it has got: its last call, and whether that is answered. */
  reached: Stop | undefined;
  /** How many calls are stopped. */
  private steps = 0;
  private held: (() => void)[] = [];

  constructor(
    work: () => Promise<T>,
    /** Undefined: nowhere. `every`: at each side of each call. */
    private stop?: Stop | 'every',
  ) {
    this.outcome = operations.run(this, work).then(
      (value) => ({ value }),
      (error: unknown) => ({ error: error as Error }),
    );
    void this.outcome.then(() => (this.isSettled = true));
  }

  async call<R>(name: string, carryOut: () => Promise<R>): Promise<R> {
    const ordinal = this.calls.push(name);
    await this.reach([ordinal, name], 'before');
    try {
      return await carryOut();
    } finally {
      await this.reach([ordinal, name], 'after');
    }
  }

  /** Waits until the operation is over, stopped, or waits for another one: each of its calls answers within a turn of the event loop. */
  async idle(): Promise<void> {
    for (let still = 0; still < 3 && !this.isSettled && !this.isStopped; still += 1) {
      const { steps } = this;
      await new Promise((resolve) => setImmediate(resolve));
      if (this.steps !== steps) still = 0;
    }
  }

  /** Goes on to the end, or to where it stops next: at every side of a call, or there. */
  goOn(next?: Stop): void {
    if (this.stop !== 'every') this.stop = next;
    this.isStopped = false;
    for (const letOn of this.held.splice(0)) letOn();
  }

  private async reach(call: readonly Stop['at'][], side: Stop['side']): Promise<void> {
    // What it has left to be done later.
    if (this.isSettled) return;
    this.steps += 1;
    this.reached = { at: call.at(-1)!, side };
    const { stop } = this;
    if (stop === 'every' || (stop?.side === side && call.includes(stop.at))) this.isStopped = true;
    // What it does at the same time stops with it.
    if (this.isStopped) await new Promise<void>((resolve) => this.held.push(resolve));
  }
}

/** Stops the operation of a call; a call without an operation passes. */
function atGate<R>(name: string, carryOut: () => Promise<R>): Promise<R> {
  const operation = operations.getStore();
  return operation ? operation.call(name, carryOut) : carryOut();
}

/** The same object, with a gate before and behind each of these methods. */
function gated<T extends object>(of: T, name: string, methods: readonly (keyof T & string)[]): T {
  const gate: Partial<Record<string, unknown>> = {};
  for (const method of methods) {
    // Looked up at each call: a spec may have changed it meanwhile.
    const call = (args: unknown[]) =>
      (of[method] as (...args: unknown[]) => Promise<unknown>).apply(of, args);
    gate[method] = (...args: unknown[]) => atGate(`${name}.${method}`, () => call(args));
  }
  return new Proxy(of, {
    get: (target, property) => gate[property as string] ?? (Reflect.get(target, property, target) as unknown),
  });
}

const STORE_CALLS = [
  'getMany',
  'set',
  'setIfAbsent',
  'delete',
  'deleteIfEqual',
  'writeAll',
  'writeAllIfEqual',
  'members',
  'holdAll',
  'giveUpAll',
] as const;

type UpstreamAnswer = UpstreamGrant | UpstreamRefusal;

/** The same store, which refuses so many of the next calls of these methods. */
function refusing(store: SharedStore, refusals: Map<string, number>): SharedStore {
  return new Proxy(store, {
    get: (target, property: string) => {
      const left = refusals.get(property) ?? 0;
      if (left > 0) refusals.set(property, left - 1);
      if (left > 0) return () => Promise.reject(new StoreUnavailable('full'));
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

interface UpstreamToken {
  readonly family: number;
  readonly subject: string;
  state: 'in force' | 'spent' | 'revoked';
  asked: number;
}

/** An authorization server of Auth0's kind, in this process: its refresh tokens rotate, and one that comes again ends its family. */
export class HandIssuer extends AuthorizationServer {
  readonly refreshTokens = new Map<string, UpstreamToken>();
  readonly accessTokens = new Map<string, { readonly principal: Principal; readonly family: number }>();
  /** Whether a spent refresh token is still taken: Auth0's "reuse interval". */
  leeway = false;
  /** What it makes of its next answers to grants, one after the other. */
  readonly answersNext: ((usual: UpstreamAnswer) => UpstreamAnswer)[] = [];
  /** What is found when these access tokens are checked, or why nothing is; the others are good until they expire. */
  readonly verdicts = new Map<string, CheckedToken | Error>();
  /** Life of an access token. */
  lifeSeconds = 3_600;
  private families = 0;

  constructor(private readonly nowMs: () => number) {
    super();
  }

  override async grantPassword({ username }: Credentials): Promise<UpstreamAnswer> {
    this.families += 1;
    return this.asAnswered(this.grant(`auth0|${username}`, this.families));
  }

  override async grantRefresh(refreshToken: string): Promise<UpstreamAnswer> {
    return this.asAnswered(this.refresh(refreshToken));
  }

  override async revoke(refreshToken: string): Promise<void> {
    const token = this.refreshTokens.get(refreshToken);
    if (token) token.state = 'revoked';
  }

  override async userInfo(): Promise<UserInfo> {
    return { active: false };
  }

  /** Those of a user that are in force. */
  inForce(subject: string): string[] {
    return [...this.refreshTokens]
      .filter(([, token]) => token.subject === subject && token.state === 'in force')
      .map(([refreshToken]) => refreshToken);
  }

  /** Those of a user that it was asked about more than once. */
  askedAgain(subject: string): string[] {
    return [...this.refreshTokens]
      .filter(([, token]) => token.subject === subject && token.asked > 1)
      .map(([refreshToken]) => refreshToken);
  }

  accessTokensOf(subject: string): string[] {
    return [...this.accessTokens]
      .filter(([, { principal }]) => principal.subject === subject)
      .map(([accessToken]) => accessToken);
  }

  private refresh(refreshToken: string): UpstreamAnswer {
    const token = this.refreshTokens.get(refreshToken);
    if (!token) return { granted: false, error: 'invalid_grant' };
    token.asked += 1;
    if (token.state === 'in force' || (token.state === 'spent' && this.leeway)) {
      token.state = 'spent';
      return this.grant(token.subject, token.family);
    }
    if (token.state === 'spent') this.endFamily(token.family);
    return { granted: false, error: 'invalid_grant' };
  }

  private asAnswered(usual: UpstreamAnswer): UpstreamAnswer {
    return this.answersNext.shift()?.(usual) ?? usual;
  }

  private grant(subject: string, family: number): UpstreamGrant {
    const issuedAtSeconds = Math.floor(this.nowMs() / 1000);
    const accessToken = `${part({ alg: 'RS256' })}.${part({ sub: subject, jti: randomUUID() })}.${randomBytes(48).toString('base64url')}`;
    const refreshToken = `upstream-${randomBytes(16).toString('base64url')}`;
    const principal: Principal = {
      subject,
      clientId: OWN_CLIENT,
      scopes: SCOPE.split(' '),
      permissions: SCOPE.split(' '),
      issuer: ISSUER,
      audience: [API],
      issuedAtSeconds,
      expiresAtSeconds: issuedAtSeconds + this.lifeSeconds,
      claims: {},
    };
    this.accessTokens.set(accessToken, { principal, family });
    this.refreshTokens.set(refreshToken, { family, subject, state: 'in force', asked: 0 });
    return { granted: true, accessToken, refreshToken, expiresInSeconds: this.lifeSeconds, scope: SCOPE };
  }

  private endFamily(family: number): void {
    for (const token of this.refreshTokens.values()) if (token.family === family) token.state = 'revoked';
  }
}

function part(content: object): string {
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}

class HandTokenCheck extends TokenCheck {
  constructor(
    private readonly issuer: HandIssuer,
    private readonly nowMs: () => number,
  ) {
    super();
  }

  override async check(accessToken: string): Promise<CheckedToken> {
    const verdict = this.issuer.verdicts.get(accessToken);
    if (verdict instanceof Error) throw verdict;
    if (verdict) return verdict;
    const known = this.issuer.accessTokens.get(accessToken);
    if (!known) return { active: false, reason: 'invalid' };
    if (this.nowMs() / 1000 >= known.principal.expiresAtSeconds) return { active: false, reason: 'expired' };
    return { active: true, principal: known.principal };
  }
}

/** The use cases of one user-token, each call of whose store and authorization server can be stopped. */
export class Replica {
  private constructor(
    readonly issuances: TokenIssuances,
    readonly sessions: StoreSessions,
    readonly denials: StoreDenials,
    readonly logIn: LogIn,
    readonly refreshSession: RefreshSession,
    readonly logOut: LogOut,
    readonly revokeSubject: RevokeSubject,
    readonly userSessions: UserSessions,
    readonly issuedTokens: IssuedTokens,
    readonly verifyToken: VerifyToken,
    readonly mfaHandles: SealedMfaHandles,
  ) {}

  static async open(shared: SharedStore, server: HandIssuer, log: Logger): Promise<Replica> {
    const store = gated(shared, 'store', STORE_CALLS);
    const issuer = gated(server, 'issuer', ['grantPassword', 'grantRefresh', 'revoke']);
    const clock = shared;
    const box = new SealedBox(['a secret of this spec, long enough']);
    const lifetimes = { idleSeconds: 14 * 24 * 3600, absoluteSeconds: 90 * 24 * 3600 };
    const sessions = new StoreSessions(store, box, {
      idleSeconds: lifetimes.idleSeconds,
      replayWindowSeconds: REPLAY_SECONDS,
      clientReplayWindowSeconds: REPLAY_SECONDS,
      reuseDetectionSeconds: 24 * 3600,
      lockMs: LOCK_MS,
      clock,
    });
    const denials = new StoreDenials(
      store,
      {
        whenUnknown: 'refuse',
        whenAgeUnknown: 'refuse',
        subjectDenialSeconds: 30 * 24 * 3600,
        clockToleranceSeconds: 5,
        maxLocal: 100_000,
      },
      log,
    );
    await denials.settled;
    const issuedAccessTokens = new StoreIssuedAccessTokens(store, box);
    const granted = gated(new HandTokenCheck(server, () => clock.nowMs()), 'tokenCheck', ['check']);
    const issued = new IssuedTokenCheck(issuedAccessTokens, clock);
    const tokenCheck = new TokenCheckByForm(granted, granted, issued);
    // Longer than any operation waits on any machine: the spec releases each of them.
    const options = { ...lifetimes, waitMs: 60_000, expiredLimitSeconds: 24 * 3600, clock };
    const attempts = new StoreAttempts(
      store,
      { perAccount: 1_000_000, perAddress: 1_000_000, windowSeconds: 60 },
      { leaseMs: 3_600_000, waitMs: 60_000 },
    );
    const mfaHandles = new SealedMfaHandles(box);
    const refusals = new RefusalLog(log);
    const verifyToken = new VerifyToken(tokenCheck, denials, refusals);
    const logOut = new LogOut(issuer, tokenCheck, denials, sessions, refusals, options);
    const access = new SessionAccess(verifyToken, sessions, { clientId: OWN_CLIENT, audience: [API] });
    return new Replica(
      new TokenIssuances(lifetimes, clock),
      sessions,
      denials,
      new LogIn(issuer, granted, denials, sessions, logOut, attempts, mfaHandles, options, log),
      new RefreshSession(issuer, granted, denials, sessions, logOut, options, log),
      logOut,
      new RevokeSubject(access, denials, logOut),
      new UserSessions(access, denials, sessions, logOut, lifetimes, clock),
      new IssuedTokens(issuedAccessTokens, sessions, denials, logOut, lifetimes, clock),
      verifyToken,
      mfaHandles,
    );
  }

  tryLogIn(username: string, client?: AskingClient): Promise<GrantResult> {
    return this.logIn.execute({ username, password: 'x' }, this.issuances.of(client), {});
  }

  async loggedIn(username: string, client?: AskingClient): Promise<GrantedToken> {
    return granted(await this.tryLogIn(username, client));
  }

  tryRefresh(credential: string, client?: AskingClient): Promise<GrantResult> {
    return this.refreshSession.execute(credential, this.issuances.of(client), {});
  }

  async refreshed(credential: string, client?: AskingClient): Promise<GrantedToken> {
    return granted(await this.tryRefresh(credential, client));
  }

  async isActive(accessToken: string): Promise<boolean> {
    return (await this.verifyToken.execute(accessToken)).active;
  }
}

function granted(result: GrantResult): GrantedToken {
  if (!result.granted) throw new Error(`not granted: ${result.error}`);
  return result.token;
}

/** Two user-tokens on one store in this process, an authorization server in it, and the clock of them all, which the spec moves. */
export class SteppedCore {
  nowMs = 1_800_000_000_000;

  private constructor(
    readonly store: SharedStore,
    readonly issuer: HandIssuer,
    readonly replicas: [Replica, Replica],
    /** What they have logged, if they do. */
    readonly logs: readonly string[],
    private readonly refusals: Map<string, number>,
    private readonly openReplica: () => Promise<Replica>,
    private readonly date: { mockRestore: () => void },
  ) {}

  static async open({ level = 'silent' }: { level?: 'silent' | 'debug' } = {}): Promise<SteppedCore> {
    let nowMs = () => 1_800_000_000_000;
    const date = jest.spyOn(Date, 'now').mockImplementation(() => nowMs());
    const store = openStore('memory:');
    await giveGeneration(store);
    const issuer = new HandIssuer(() => Date.now());
    const logs: string[] = [];
    const destination = { write: (line: string) => void logs.push(line) };
    const log = createLogger({ service: 'user-token', environment: 'test', level, destination });
    const refusals = new Map<string, number>();
    const shared = refusing(store, refusals);
    const openReplica = () => Replica.open(shared, issuer, log);
    const replicas = await Promise.all([openReplica(), openReplica()]);
    const core = new SteppedCore(store, issuer, replicas, logs, refusals, openReplica, date);
    nowMs = () => core.nowMs;
    return core;
  }

  pass(seconds: number): void {
    this.nowMs += seconds * 1_000;
  }

  /** Moves the clock past the end of each lock of a session. */
  outlastLocks(): void {
    this.pass(LOCK_MS / 1_000 + 1);
  }

  /** Another process takes the place of this one, which has crashed. */
  async restart(at: 0 | 1): Promise<void> {
    const { denials } = this.replicas[at];
    this.replicas[at] = await this.openReplica();
    await denials.close();
  }

  /** What a store does that loses a value. */
  forget(credential: string): Promise<void> {
    return this.store.delete(sessionKey(credentialId(credential)));
  }

  /** The store refuses the next calls of this method. */
  refuseNext(method: (typeof STORE_CALLS)[number], times = 1): void {
    this.refusals.set(method, times);
  }

  async close(): Promise<void> {
    await Promise.all(this.replicas.map(({ denials }) => denials.close()));
    await this.store.close();
    this.date.mockRestore();
  }
}

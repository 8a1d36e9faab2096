import { setTimeout as delay } from 'node:timers/promises';
import { isCanonicalToken, type GrantedToken, type GrantResult, type InactiveReason } from '@app/contract';
import { AuthorizationServer, UpstreamUnavailable, type UpstreamRefusal } from './authorization-server.js';
import { Busy } from './busy.js';
import { nowInSeconds, type Clock } from './clock.js';
import { Denials, deniedToken, type DeniedToken } from './denials.js';
import type { TokenIssuance } from './token-issuance.js';
import type { Log } from './log.js';
import { LogOut } from './log-out.js';
import { whileHolding, whileHoldingCurrent } from './session-lock.js';
import {
  credentialId,
  credentialOf,
  factsOf,
  leftOf,
  ownerOf,
  refreshableUntilSeconds,
  refreshTokensOf,
  Sessions,
  type Device,
  type Issued,
  type Session,
  type SessionEntry,
  type SessionLifetimes,
  type SessionLock,
  type SessionState,
  type UnjudgedGrant,
} from './sessions.js';
import { GrantCheck } from './token-check.js';
import { tooLong } from './token-length.js';

const REFUSED: GrantResult = { granted: false, error: 'invalid_grant' };
const REUSED: GrantResult = { granted: false, error: 'token_reused' };
const NOT_COVERED: GrantResult = { granted: false, error: 'invalid_scope' };

/** Access tokens in force that a session remembers. One that is refreshed faster than they expire has its oldest ended. */
const MAX_ACCESS_TOKENS = 64;

/**
 * No later look at the token changes these. The others can be: a clock or a key set that is not right yet, and a wrong issuer or
 * audience, which speaks of our settings.
 */
const BAD_FOR_GOOD: ReadonlySet<InactiveReason> = new Set<InactiveReason>([
  'malformed',
  'invalid',
  'invalid_subject',
]);

/** After so long the authorization server has another `iat` to give, and with it another token. */
const NEXT_SECOND_MS = 1_000;

/** How often, and for how long, it is tried again to store a grant that the store did not take. */
const STORE_AGAIN_MS = 1_000;
const STORE_AGAIN_FOR_MS = 600_000;

export interface RefreshOptions extends SessionLifetimes {
  /** How long to wait for somebody else who refreshes the same session. */
  readonly waitMs: number;
  /** How long after its expiry an access token may still be refreshed. */
  readonly expiredLimitSeconds: number;
  readonly clock: Clock;
}

/** A session with what it was granted last, which is stored, or about to be. */
type GrantedSession = Session & { readonly unjudged: UnjudgedGrant };

interface Unstored {
  readonly former: Session;
  readonly granted: GrantedSession;
}

/** `expired`: it was granted too long ago. `taken`: another session was given the same access token. */
type UseOutcome = GrantResult | 'expired' | 'taken';

/**
 * New tokens for the credential of a session. The holder of the session's lock asks upstream; everybody else who presents the
 * same credential meanwhile, or within its replay window, gets the same answer.
 *
 * What upstream grants spends the refresh token. So it is stored first and judged then: a refresh that gets no further is
 * taken up by the next, on any replica.
 */
export class RefreshSession {
  /**
   * Granted, but not stored, by credential. It is lost with this process, and the session with it; and until it is stored another
   * replica cannot go on from it.
   */
  private readonly unstored = new Map<string, Unstored>();

  constructor(
    private readonly authorizationServer: AuthorizationServer,
    /** For tokens that were just granted. */
    private readonly tokenCheck: GrantCheck,
    private readonly denials: Denials,
    private readonly sessions: Sessions,
    private readonly logOut: LogOut,
    private readonly options: RefreshOptions,
    private readonly log: Log,
  ) {}

  /** @throws {UpstreamUnavailable | Busy | StoreUnavailable | DenialsUnknown} and then the old credential still refreshes */
  async execute(credential: string, issuance: TokenIssuance, device: Device): Promise<GrantResult> {
    if (!isCanonicalToken(credential)) return REFUSED;
    const { waitMs } = this.options;
    const meanwhile = () => this.answeredAlready(credential, issuance);
    return whileHolding(this.sessions, credentialId(credential), { waitMs, meanwhile }, (lock) =>
      this.refreshHeld(credential, issuance, device, lock),
    );
  }

  /** The end of a session that is gone, or the answer that was given to somebody else; undefined while it is to be made. */
  private async answeredAlready(
    credential: string,
    issuance: TokenIssuance,
  ): Promise<GrantResult | undefined> {
    const state = await this.sessions.find(credential);
    if (!state || ownerOf(state).clientId !== issuance.clientId) return REFUSED;
    if (state.kind === 'refreshed') return this.replay(credential, issuance, state);
    return issuance.covers(state.session) ? undefined : NOT_COVERED;
  }

  private async refreshHeld(
    credential: string,
    issuance: TokenIssuance,
    device: Device,
    lock: SessionLock,
  ): Promise<GrantResult> {
    const state = await this.sessions.find(credential);
    if (!state) return REFUSED;
    if (state.kind === 'refreshed') return this.replay(credential, issuance, state);
    const { session } = state;
    if (session.refreshToken === undefined) return REFUSED;
    if (await this.isDenied(session)) return this.giveUp(credential, session, lock);
    if (this.isOver(session)) return this.end(credential, session, lock);

    const use = async (granted: GrantedSession | UpstreamRefusal) =>
      'granted' in granted
        ? this.endIfRefused(granted, credential, session, lock)
        : this.use(granted, credential, issuance, device, lock);
    const before = await this.grantedBefore(credential, session, lock);
    const granted = before ?? (await this.askUpstream(credential, session, lock));
    let outcome = await use(granted);
    if (!('granted' in granted) && typeof outcome === 'string') {
      if (outcome === 'taken') await delay(NEXT_SECOND_MS);
      outcome = await use(await this.askUpstream(credential, granted, lock));
    }
    if (typeof outcome !== 'string') return outcome;
    if (outcome === 'taken') throw new Busy('the refreshed access token is that of another session');
    throw new UpstreamUnavailable(
      'the refreshed access token does not verify here (expired): compare the clocks',
      1,
    );
  }

  private isOver(session: Session): boolean {
    const nowSeconds = nowInSeconds(this.options.clock);
    if (nowSeconds >= refreshableUntilSeconds(session, this.options)) return true;
    // A client refreshes by a token that is made for it, and that lasts as long as the session.
    const { clientId, expiresAtSeconds } = session;
    return clientId === undefined && nowSeconds >= expiresAtSeconds + this.options.expiredLimitSeconds;
  }

  /**
   * With the access that it gave, which no log-out could end once it is forgotten.
   *
   * @throws {StoreUnavailable | UpstreamUnavailable} and then it can be ended again
   */
  private async end(credential: string, session: Session, lock: SessionLock): Promise<GrantResult> {
    await this.denials.deny(session.subject, session.accessTokens);
    for (const refreshToken of refreshTokensOf(session)) await this.authorizationServer.revoke(refreshToken);
    await this.sessions.endUnder(credential, session, lock);
    return REFUSED;
  }

  /** The session was revoked, perhaps while upstream was asked: what it gave is closed before anybody has it. */
  private async giveUp(credential: string, session: Session, lock: SessionLock): Promise<GrantResult> {
    try {
      return await this.end(credential, session, lock);
    } catch (error) {
      // It stays where it is, for a log-out that waits for this one.
      this.log.warn(
        { err: error },
        'the refresh token of a session that was revoked is still in force upstream',
      );
      return REFUSED;
    }
  }

  /**
   * The answer that was given before; a session that was logged out since has taken it back. After the replay window there are
   * two holders of what should have one: the session ends for both.
   */
  private async replay(
    credential: string,
    issuance: TokenIssuance,
    state: Extract<SessionState, { kind: 'refreshed' }>,
  ): Promise<GrantResult> {
    const { subject, sessionId, token, expiresAtSeconds } = state;
    const nowSeconds = nowInSeconds(this.options.clock);
    if (nowSeconds >= state.reuseUntilSeconds) return REFUSED;
    // Not by the token that was replaced: it may have expired before the log-out, and then nothing is said of it.
    const entry = await this.sessions.entry(subject, sessionId);
    if (!entry || (await this.isDenied(entry))) return REFUSED;
    if (nowSeconds >= state.replayUntilSeconds) {
      this.log.warn(
        { subject },
        'a token that was refreshed before was presented again: its session is ended',
      );
      await this.logOut.endSession(credential);
      return REUSED;
    }
    if (!issuance.takes(token)) return NOT_COVERED;
    return { granted: true, token: aged(token, expiresAtSeconds - nowSeconds) };
  }

  private async isDenied(session: Session | SessionEntry): Promise<boolean> {
    const { denied } = await this.denials.status(factsOf(session));
    return denied;
  }

  /** What an earlier refresh was granted and did not get to hand out. */
  private async grantedBefore(
    credential: string,
    session: Session,
    lock: SessionLock,
  ): Promise<GrantedSession | undefined> {
    if (isGranted(session)) return session;
    if (this.unstored.size === 0) return undefined;
    const unstored = this.unstored.get(credentialId(credential));
    if (unstored?.former.refreshToken !== session.refreshToken) return undefined;
    return this.keep(credential, session, unstored!.granted, lock);
  }

  private async askUpstream(
    credential: string,
    session: Session,
    lock: SessionLock,
  ): Promise<GrantedSession | UpstreamRefusal> {
    // Another may have asked by now. Who asks by a refresh token that is spent ends the session for both.
    if (!lock.isInForce) throw overtaken();
    const grant = await this.authorizationServer.grantRefresh(session.refreshToken!);
    if (!grant.granted) return { granted: false, error: grant.error };
    const { accessToken, expiresInSeconds, scope, refreshToken = session.refreshToken } = grant;
    const grantedAtMs = this.options.clock.nowMs();
    const unjudged = { accessToken, expiresInSeconds, scope, grantedAtMs };
    return this.keep(credential, session, { ...session, refreshToken, unjudged }, lock);
  }

  private async keep(
    credential: string,
    former: Session,
    granted: GrantedSession,
    lock: SessionLock,
  ): Promise<GrantedSession> {
    try {
      if (await this.sessions.update(credential, granted, lock)) {
        if (this.unstored.size > 0) this.unstored.delete(credentialId(credential));
        return granted;
      }
    } catch (error) {
      this.storeLater(credential, former, granted);
      throw error;
    }
    await this.settle(credential, former, granted).catch(() => this.storeLater(credential, former, granted));
    throw overtaken();
  }

  private storeLater(credential: string, former: Session, granted: GrantedSession): void {
    const id = credentialId(credential);
    if (this.unstored.has(id)) return;
    this.unstored.set(id, { former, granted });
    void this.tryToSettle(credential, former, granted).finally(() => this.unstored.delete(id));
  }

  private async tryToSettle(credential: string, former: Session, granted: GrantedSession): Promise<void> {
    const deadline = performance.now() + STORE_AGAIN_FOR_MS;
    let failure: unknown;
    do {
      await delay(STORE_AGAIN_MS, undefined, { ref: false });
      // A retry was quicker.
      if (!this.unstored.has(credentialId(credential))) return;
      try {
        return await this.settle(credential, former, granted);
      } catch (error) {
        failure = error;
      }
    } while (performance.now() < deadline);
    this.log.warn({ err: failure }, 'what a session was granted could not be stored, and is lost');
  }

  /**
   * Stores what was granted, wherever the session is by now. If another refresh was granted something since, the session goes on
   * with that, and takes along what would otherwise stay in force for nobody; if it has ended, that is revoked.
   */
  private async settle(credential: string, former: Session, granted: GrantedSession): Promise<void> {
    const { refreshToken, unjudged } = granted;
    const settled = await whileHoldingCurrent(this.sessions, credential, this.options, async (held) => {
      const { session, lock } = held;
      if (session.refreshToken === refreshToken) return true;
      const surplusRefreshTokens = [...(session.surplusRefreshTokens ?? []), refreshToken!];
      const goesOn = session.refreshToken === former.refreshToken && held.credential === credential;
      const change = goesOn ? { refreshToken, unjudged } : { surplusRefreshTokens };
      if (await this.sessions.update(held.credential, { ...session, ...change }, lock)) return true;
      throw overtaken();
    });
    if (!settled && refreshToken !== former.refreshToken)
      await this.authorizationServer.revoke(refreshToken!);
  }

  private async endIfRefused(
    refusal: UpstreamRefusal,
    credential: string,
    session: Session,
    lock: SessionLock,
  ): Promise<GrantResult> {
    const { error } = refusal;
    // The refresh token is spent or revoked: only what others left behind may still be in force.
    if (error === 'invalid_grant')
      await this.giveUp(credential, { ...session, refreshToken: undefined }, lock);
    // The user may not come in any more: he is to log in again, and is told there.
    if (error === 'access_denied') return this.giveUp(credential, session, lock);
    return { granted: false, error };
  }

  private async use(
    session: GrantedSession,
    credential: string,
    issuance: TokenIssuance,
    device: Device,
    lock: SessionLock,
  ): Promise<UseOutcome> {
    const { refreshToken, unjudged } = session;
    const checked = await this.tokenCheck.check(unjudged.accessToken);
    if (!checked.active) {
      const { reason } = checked;
      const isPast = unjudged.expiresInSeconds > 0 && leftOf(unjudged, this.options.clock) === 0;
      if (reason === 'expired' || isPast) return 'expired';
      const text =
        tooLong(unjudged.accessToken) ?? `the refreshed access token does not verify here (${reason})`;
      if (!BAD_FOR_GOOD.has(reason)) throw new UpstreamUnavailable(text);
      this.log.warn({ subject: session.subject }, `${text}: its session is ended`);
      return this.end(credential, session, lock);
    }
    const { principal } = checked;
    if (principal.subject !== session.subject) {
      this.log.warn(
        { subject: session.subject },
        'the refreshed access token is for another subject: its session is ended',
      );
      return this.end(credential, session, lock);
    }
    const expiresInSeconds = leftOf(unjudged, this.options.clock);
    const grant = { ...unjudged, granted: true, refreshToken, expiresInSeconds } as const;
    const issued = issuance.issue(grant, principal, session);
    // Nothing that the client may have is left: its user has lost it, or the client has.
    if (!issued) return this.end(credential, session, lock);
    const unusable = tooLong(issued.token.accessToken);
    if (unusable !== undefined) {
      this.log.warn({ subject: session.subject }, `${unusable}: its session is ended`);
      return this.end(credential, session, lock);
    }
    return this.handOut(credential, session, issued, this.renewed(session, issued, principal, device), lock);
  }

  private async handOut(
    credential: string,
    session: GrantedSession,
    issued: Issued,
    next: Session,
    lock: SessionLock,
  ): Promise<UseOutcome> {
    const [former, current] = await Promise.all([
      this.denials.status(factsOf(session)),
      this.denials.status({ ...factsOf(next), grantedNow: true }),
    ]);
    if (former.denied) return this.giveUp(credential, session, lock);
    // By itself: it was that of another session.
    if (current.denied && current.subjectDenial === undefined) return 'taken';
    const nextCredential = credentialOf(issued.token);
    if (nextCredential !== credential && !(await this.sessions.reserve(nextCredential, next))) return 'taken';
    // The session is later than the denial of its user, and what it is granted still later, whatever its `iat`.
    if (current.denied || current.toBeAdmitted)
      await this.denials.admit(next.accessTokens.slice(-1), former.subjectDenial);
    // Forgotten, it could not be ended by a log-out any more.
    if (session.accessTokens.length >= MAX_ACCESS_TOKENS)
      await this.denials.deny(session.subject, forgottenBy(next, session));
    if (!(await this.sessions.replace(credential, session, issued, next, lock))) throw overtaken();
    return { granted: true, token: issued.token };
  }

  private renewed(
    { unjudged: _, ...session }: GrantedSession,
    { token, scope }: Issued & { readonly scope: string },
    { issuedAtSeconds, expiresAtSeconds }: { issuedAtSeconds: number; expiresAtSeconds: number },
    device: Device,
  ): Session {
    const nowSeconds = nowInSeconds(this.options.clock);
    const current = deniedToken(token.accessToken, expiresAtSeconds);
    const inForce = session.accessTokens.filter(
      (former) => former.expiresAtSeconds > nowSeconds && former.tokenId !== current.tokenId,
    );
    return {
      ...session,
      scope,
      usedAtSeconds: Math.floor(nowSeconds),
      device: { ...session.device, ...device },
      issuedAtSeconds,
      expiresAtSeconds,
      accessTokens: [...inForce, current].slice(-MAX_ACCESS_TOKENS),
    };
  }
}

function overtaken(): Busy {
  return new Busy('this refresh took too long, and another request has overtaken it');
}

/** As it is when so much is left of its access token. */
function aged(token: GrantedToken, leftSeconds: number): GrantedToken {
  const expiresInSeconds = Math.floor(leftSeconds);
  const { refreshExpiresInSeconds } = token;
  const passedSeconds = Math.max(0, token.expiresInSeconds - expiresInSeconds);
  return {
    ...token,
    expiresInSeconds: Math.max(0, expiresInSeconds),
    ...(refreshExpiresInSeconds !== undefined && {
      refreshExpiresInSeconds: Math.max(0, refreshExpiresInSeconds - passedSeconds),
    }),
  };
}

function isGranted(session: Session): session is GrantedSession {
  return session.unjudged !== undefined;
}

function forgottenBy(next: Session, { accessTokens }: Session): DeniedToken[] {
  const kept = new Set(next.accessTokens.map(({ tokenId }) => tokenId));
  return accessTokens.filter(({ tokenId }) => !kept.has(tokenId));
}

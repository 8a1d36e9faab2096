import { setTimeout as delay } from 'node:timers/promises';
import { isCanonicalToken, type GrantedToken, type GrantResult, type InactiveReason } from '@app/contract';
import { AuthorizationServer, UpstreamUnavailable, type UpstreamRefusal } from '../authorization-server.js';
import { Busy } from '../busy.js';
import { nowInSeconds, type Clock } from '../clock.js';
import { Denials, deniedToken, type DeniedToken } from '../tokens/denials.js';
import type { TokenIssuance } from '../tokens/token-issuance.js';
import type { Log } from '../log.js';
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
import { GrantCheck } from '../tokens/token-check.js';
import { tooLong } from '../tokens/token-length.js';

const REFUSED: GrantResult = { granted: false, error: 'invalid_grant' };
const REUSED: GrantResult = { granted: false, error: 'token_reused' };
const NOT_COVERED: GrantResult = { granted: false, error: 'invalid_scope' };

/** Access tokens in force that a session remembers. A session with more, by frequent refreshes, loses its oldest. */
const MAX_ACCESS_TOKENS = 64;

/**
 * No later look at the token changes these. The other reasons can pass: they come of a clock, of a key set, or of our settings.
 */
const BAD_FOR_GOOD: ReadonlySet<InactiveReason> = new Set<InactiveReason>([
  'malformed',
  'invalid',
  'invalid_subject',
]);

/** After so long the authorization server's `iat` differs, and with it the token. */
const NEXT_SECOND_MS = 1_000;

/** How often, and for how long, a grant that the store did not take is tried again. */
const STORE_AGAIN_MS = 1_000;
const STORE_AGAIN_FOR_MS = 600_000;

export interface RefreshOptions extends SessionLifetimes {
  /** How long to wait for another refresh of the same session. */
  readonly waitMs: number;
  /** How long after its expiry an access token may still refresh its session. */
  readonly expiredLimitSeconds: number;
  readonly clock: Clock;
}

/** A session with its last grant, stored or about to be. */
type GrantedSession = Session & { readonly unjudged: UnjudgedGrant };

interface Unstored {
  /** {@link credentialId} of what was presented. */
  readonly id: string;
  readonly former: Session;
}

/** `expired`: the grant is too old. `taken`: another session has the same access token. */
type UseOutcome = GrantResult | 'expired' | 'taken';

/**
 * New tokens for the credential of a session. The holder of the session's lock asks upstream. Every other request with the same
 * credential, meanwhile or within its replay window, gets the same answer.
 *
 * A grant spends the refresh token. So the grant is stored first and judged afterwards: the next refresh, on any replica, can finish an
 * interrupted one.
 */
export class RefreshSession {
  /**
   * Grants that the store did not take, several of one session where locks were lost. They are lost with this process, and their
   * sessions with them. Other replicas cannot go on from them.
   */
  private readonly unstored = new Map<GrantedSession, Unstored>();

  constructor(
    private readonly authorizationServer: AuthorizationServer,
    private readonly grantCheck: GrantCheck,
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

  /** The refusal of a session that is gone, or the answer that another request got; undefined without an answer so far. */
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
    // A client's refresh token lasts as long as the session.
    const { clientId, expiresAtSeconds } = session;
    return clientId === undefined && nowSeconds >= expiresAtSeconds + this.options.expiredLimitSeconds;
  }

  /**
   * Ends the session and its access, which no log-out could end without the session.
   *
   * @throws {StoreUnavailable | UpstreamUnavailable} and then another try can end it
   */
  private async end(credential: string, session: Session, lock: SessionLock): Promise<GrantResult> {
    await this.denials.deny(session.subject, session.accessTokens);
    for (const refreshToken of refreshTokensOf(session)) await this.authorizationServer.revoke(refreshToken);
    await this.sessions.endUnder(credential, session, lock);
    return REFUSED;
  }

  /** Ends a revoked session, perhaps with a grant that came after the revocation. */
  private async giveUp(credential: string, session: Session, lock: SessionLock): Promise<GrantResult> {
    try {
      return await this.end(credential, session, lock);
    } catch (error) {
      // The session stays for a log-out that waits for this refresh.
      this.log.warn(
        { err: error },
        'the refresh token of a session that was revoked is still in force upstream',
      );
      return REFUSED;
    }
  }

  /**
   * The earlier answer, unless the session has ended since. After the replay window the credential has two holders: the session ends
   * for both.
   */
  private async replay(
    credential: string,
    issuance: TokenIssuance,
    state: Extract<SessionState, { kind: 'refreshed' }>,
  ): Promise<GrantResult> {
    const { subject, sessionId, token, expiresAtSeconds } = state;
    const nowSeconds = nowInSeconds(this.options.clock);
    if (nowSeconds >= state.reuseUntilSeconds) return REFUSED;
    // By the session, since the replaced token may have expired before the log-out, which then does not deny it.
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

  /** The grant of an earlier refresh that handed out no answer. */
  private async grantedBefore(
    credential: string,
    session: Session,
    lock: SessionLock,
  ): Promise<GrantedSession | undefined> {
    if (isGranted(session)) return session;
    if (this.unstored.size === 0) return undefined;
    const id = credentialId(credential);
    const [granted] =
      [...this.unstored].find(([, of]) => of.id === id && of.former.refreshToken === session.refreshToken) ??
      [];
    return granted && this.keep(credential, session, granted, lock);
  }

  private async askUpstream(
    credential: string,
    session: Session,
    lock: SessionLock,
  ): Promise<GrantedSession | UpstreamRefusal> {
    // Another refresh may have asked by now, and a question by a spent refresh token ends the session for both.
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
        this.unstored.delete(granted);
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
    if (this.unstored.has(granted)) return;
    this.unstored.set(granted, { id: credentialId(credential), former });
    void this.tryToSettle(credential, former, granted).finally(() => this.unstored.delete(granted));
  }

  private async tryToSettle(credential: string, former: Session, granted: GrantedSession): Promise<void> {
    const deadline = performance.now() + STORE_AGAIN_FOR_MS;
    let failure: unknown;
    do {
      await delay(STORE_AGAIN_MS, undefined, { ref: false });
      // Another refresh was quicker.
      if (!this.unstored.has(granted)) return;
      try {
        return await this.settle(credential, former, granted);
      } catch (error) {
        failure = error;
      }
    } while (performance.now() < deadline);
    this.log.warn({ err: failure }, 'what a session was granted could not be stored, and is lost');
  }

  /**
   * Stores a grant, wherever the session is by now. If another refresh has a later grant, the session goes on with that one and keeps
   * this refresh token to revoke it at its end. If the session has ended, the refresh token is revoked now.
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
    // The refresh token is spent or revoked. Only surplus ones may be in force.
    if (error === 'invalid_grant')
      await this.giveUp(credential, { ...session, refreshToken: undefined }, lock);
    // The user has lost access; the next log-in tells why.
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
    const checked = await this.grantCheck.check(unjudged.accessToken);
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
    // The user or the client has lost every scope.
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
    // Without a denial of the subject, the token itself is denied: it was another session's.
    if (current.denied && current.subjectDenial === undefined) return 'taken';
    const nextCredential = credentialOf(issued.token);
    if (nextCredential !== credential && !(await this.sessions.reserve(nextCredential, next))) return 'taken';
    // The session is later than the denial of its user, and its grant is later still, whatever the `iat`.
    if (current.denied || current.toBeAdmitted)
      await this.denials.admit(next.accessTokens.slice(-1), former.subjectDenial);
    // A log-out ends only the tokens that the session remembers.
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

/** The answer as it reads with so much left of its access token. */
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

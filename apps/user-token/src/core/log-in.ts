import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { GrantRefusal, GrantResult } from '@app/user-token-client';
import { Attempts } from './attempts.js';
import {
  AuthorizationServer,
  UpstreamUnavailable,
  type Credentials,
  type UpstreamGrant,
} from './authorization-server.js';
import { deniedToken, Denials } from './denials.js';
import type { Front } from './front.js';
import type { Log } from './log.js';
import { MfaHandles } from './mfa-handles.js';
import { whileHolding } from './session-lock.js';
import { credentialId, credentialOf, Sessions, type Device, type Issued, type Session } from './sessions.js';
import { TokenCheck } from './token-check.js';
import { tokenId } from './token-id.js';

/** Refusals that only who knows the password gets. */
const PASSWORD_WAS_RIGHT: ReadonlySet<GrantRefusal> = new Set<GrantRefusal>([
  'mfa_required',
  'invalid_scope',
]);

/** The access token that was granted is revoked already. */
interface Revoked {
  /** The denial of the whole user that it fell under; absent where it was denied by itself. */
  readonly subjectDenial: number | undefined;
}
type Outcome = GrantResult | Revoked;

/** A user who is revoked again with each of them has to come again later. */
const MAX_TRIES = 3;
const SECOND_MS = 1_000;

export interface LogInOptions {
  /** How long to wait for somebody else who was given the same access token. */
  readonly waitMs: number;
}

/** Password grant upstream, then a session here. */
export class LogIn {
  constructor(
    private readonly authorizationServer: AuthorizationServer,
    private readonly tokenCheck: TokenCheck,
    private readonly denials: Denials,
    private readonly sessions: Sessions,
    private readonly attempts: Attempts,
    private readonly mfaHandles: MfaHandles,
    private readonly options: LogInOptions,
    private readonly log: Log,
  ) {}

  /** @throws {UpstreamUnavailable | StoreUnavailable | DenialsUnknown} and then no session exists, here or upstream */
  async execute(credentials: Credentials, front: Front, device: Device): Promise<GrantResult> {
    const attempt = await this.attempts.begin(credentials);
    if ('retryAfterSeconds' in attempt) return { granted: false, error: 'too_many_attempts', ...attempt };
    let result: GrantResult;
    try {
      result = await this.logIn(credentials, front, device);
    } catch (error) {
      await attempt.undecided();
      throw error;
    }
    if (result.granted || PASSWORD_WAS_RIGHT.has(result.error)) await attempt.succeeded();
    return result;
  }

  private async logIn(credentials: Credentials, front: Front, device: Device): Promise<GrantResult> {
    let revoked: Revoked | undefined;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      // Issued, and logged out, within this second by a server that gives out the same token again.
      if (revoked && revoked.subjectDenial === undefined) await delay(SECOND_MS - (Date.now() % SECOND_MS));
      const outcome = await this.tryOnce(credentials, front, device, revoked);
      if ('granted' in outcome) return outcome;
      revoked = outcome;
    }
    throw new UpstreamUnavailable('the access of this user is being revoked at this moment', 1);
  }

  private async tryOnce(
    credentials: Credentials,
    front: Front,
    device: Device,
    revokedBefore: Revoked | undefined,
  ): Promise<Outcome> {
    const grant = await this.authorizationServer.grantPassword(credentials);
    if (!grant.granted) {
      const { mfaToken, ...refusal } = grant;
      if (mfaToken === undefined) return refusal;
      const { username } = credentials;
      return {
        ...refusal,
        mfaHandle: this.mfaHandles.seal({ mfaToken, username, clientId: front.clientId }),
      };
    }
    let outcome: Outcome | undefined;
    try {
      outcome = await this.startSession(grant, front, device, revokedBefore);
      return outcome;
    } finally {
      const kept = outcome !== undefined && 'granted' in outcome && outcome.granted;
      if (!kept) await this.giveBack(grant.refreshToken);
    }
  }

  private async startSession(
    grant: UpstreamGrant,
    front: Front,
    device: Device,
    revokedBefore: Revoked | undefined,
  ): Promise<Outcome> {
    const checked = await this.tokenCheck.check(grant.accessToken);
    // As for a blocked user: whose access nobody could end gets none. Why is in the log of the check.
    if (!checked.active && checked.reason === 'invalid_subject')
      return { granted: false, error: 'invalid_grant' };
    if (!checked.active) {
      throw new UpstreamUnavailable(
        `the authorization server issued an access token that does not verify here (${checked.reason}): compare AUTH0_ISSUER_URL and AUTH0_AUDIENCE with the tenant`,
      );
    }
    const { subject, issuedAtSeconds, expiresAtSeconds } = checked.principal;
    const facts = { subject, tokenId: tokenId(grant.accessToken), issuedAtSeconds, grantedNow: true };
    const { denied, subjectDenial, toBeAdmitted } = await this.denials.status(facts);
    // The first log-in after "log out everywhere" cannot be told from one of before: by its time of issue, which is a whole second of
    // another clock, it may be either. What is asked for now that the denial is known is later, whatever the clocks say.
    const isLater = subjectDenial !== undefined && subjectDenial === revokedBefore?.subjectDenial;
    if (denied && !isLater) return { subjectDenial };
    const issued = front.issue(grant, checked.principal, undefined);
    if (!issued) return { granted: false, error: 'invalid_scope' };
    const current = deniedToken(issued.token.accessToken, expiresAtSeconds);
    if (denied || toBeAdmitted) await this.denials.admit([current], subjectDenial);
    const nowSeconds = Math.floor(Date.now() / 1000);
    const session: Session = {
      id: randomUUID(),
      subject,
      clientId: front.clientId,
      scope: issued.scope,
      startedAtSeconds: nowSeconds,
      usedAtSeconds: nowSeconds,
      device,
      issuedAtSeconds,
      expiresAtSeconds,
      refreshToken: grant.refreshToken,
      accessTokens: [current],
    };
    const { waitMs } = this.options;
    return whileHolding(this.sessions, credentialId(credentialOf(issued.token)), { waitMs }, () =>
      this.keep(issued, session),
    );
  }

  /**
   * Auth0's tokens have no `jti`: two log-ins of one second can be given the same one. They share one session then, with one
   * refresh token.
   */
  private async keep(issued: Issued, session: Session): Promise<GrantResult> {
    const state = await this.sessions.find(credentialOf(issued.token));
    const former = state?.kind === 'open' ? state.session : undefined;
    await this.sessions.start(issued, { ...session, ...(former && { id: former.id }) });
    if (former?.refreshToken !== session.refreshToken) await this.giveBack(former?.refreshToken);
    return { granted: true, token: issued.token };
  }

  /** A refresh token that nobody can find again must not stay in force. */
  private async giveBack(refreshToken: string | undefined): Promise<void> {
    if (refreshToken === undefined) return;
    try {
      await this.authorizationServer.revoke(refreshToken);
    } catch (error) {
      this.log.warn({ err: error }, 'a refresh token that no session has could not be revoked upstream');
    }
  }
}

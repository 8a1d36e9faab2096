import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { GrantResult } from '@app/contract';
import { Attempts } from './attempts.js';
import {
  AuthorizationServer,
  UpstreamUnavailable,
  type Credentials,
  type UpstreamGrant,
  type UpstreamRefusal,
} from '../authorization-server.js';
import { Busy } from '../busy.js';
import { nowInSeconds, type Clock } from '../clock.js';
import { deniedToken, Denials } from '../tokens/denials.js';
import type { TokenIssuance } from '../tokens/token-issuance.js';
import type { Log } from '../log.js';
import { LogOut } from '../sessions/log-out.js';
import { MfaHandles } from './mfa-handles.js';
import {
  credentialId,
  credentialOf,
  leftOf,
  Sessions,
  type Device,
  type Session,
} from '../sessions/sessions.js';
import { GrantCheck } from '../tokens/token-check.js';
import { tokenId } from '../tokens/token-id.js';
import { tooLong } from '../tokens/token-length.js';

/** The granted access token is of no use. */
interface Unusable {
  readonly why: string;
  /** The denial of the whole user that covers it; absent without one. */
  readonly subjectDenial: number | undefined;
  /** Whether the server grants the same token again until the second is over. */
  readonly untilNextSecond: boolean;
}
type Outcome = GrantResult | Unusable;

const REVOKED = 'the access of this user is being revoked at this moment';
const TAKEN = 'the access token that was granted is that of another session';

/** A user with a new revocation at each try has to come again later. */
const MAX_TRIES = 3;
const SECOND_MS = 1_000;
/** For faults that an operator has to mend. */
const SETTING_RETRY_SECONDS = 60;

export interface LogInOptions {
  readonly clock: Clock;
}

/** Password grant upstream, then a session here. */
export class LogIn {
  constructor(
    private readonly authorizationServer: AuthorizationServer,
    private readonly grantCheck: GrantCheck,
    private readonly denials: Denials,
    private readonly sessions: Sessions,
    private readonly logOut: LogOut,
    private readonly attempts: Attempts,
    private readonly mfaHandles: MfaHandles,
    private readonly options: LogInOptions,
    private readonly log: Log,
  ) {}

  /** @throws {UpstreamUnavailable | Busy | StoreUnavailable | DenialsUnknown} and then no session exists, here or upstream */
  async execute(credentials: Credentials, issuance: TokenIssuance, device: Device): Promise<GrantResult> {
    let unusable: Unusable | undefined;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      if (unusable?.untilNextSecond) await delay(SECOND_MS - (Date.now() % SECOND_MS));
      const outcome = await this.tryOnce(credentials, issuance, device, unusable?.subjectDenial);
      if ('granted' in outcome) return outcome;
      unusable = outcome;
    }
    throw new Busy(unusable!.why);
  }

  private async tryOnce(
    credentials: Credentials,
    issuance: TokenIssuance,
    device: Device,
    denialBefore: number | undefined,
  ): Promise<Outcome> {
    const grant = await this.ask(credentials);
    if (!grant.granted) {
      const { mfaToken, passwordWas: _, ...refusal } = grant;
      if (mfaToken === undefined) return refusal;
      const { username } = credentials;
      return {
        ...refusal,
        mfaHandle: this.mfaHandles.seal({ mfaToken, username, clientId: issuance.clientId }),
      };
    }
    let outcome: Outcome | undefined;
    try {
      outcome = await this.startSession(grant, issuance, device, denialBefore);
      return outcome;
    } finally {
      const kept = outcome !== undefined && 'granted' in outcome && outcome.granted;
      if (!kept) await this.giveBack(grant.refreshToken);
    }
  }

  /** Each question is an attempt. Its answer leaves this method only after the count. */
  private async ask(credentials: Credentials): Promise<UpstreamGrant | UpstreamRefusal> {
    const attempt = await this.attempts.begin(credentials);
    if ('retryAfterSeconds' in attempt) return { granted: false, error: 'too_many_attempts', ...attempt };
    let answer: UpstreamGrant | UpstreamRefusal;
    try {
      answer = await this.authorizationServer.grantPassword(credentials);
    } catch (error) {
      await attempt.undecided();
      throw error;
    }
    if (answer.granted || answer.passwordWas === 'right') await attempt.succeeded();
    else if (answer.passwordWas === 'untold') await attempt.undecided();
    else await attempt.failed();
    // After the count: the attempt has had its place until then.
    if (attempt.counts) return answer;
    if (answer.granted) await this.giveBack(answer.refreshToken);
    throw new Busy('a log-in took so long that it does not count as an attempt any more');
  }

  private async startSession(
    grant: UpstreamGrant,
    issuance: TokenIssuance,
    device: Device,
    denialBefore: number | undefined,
  ): Promise<Outcome> {
    const { clock } = this.options;
    const grantedAtMs = clock.nowMs();
    const checked = await this.grantCheck.check(grant.accessToken);
    // As for a blocked user: a subject without a way to end its access gets none. The log of the check has the reason.
    if (!checked.active && checked.reason === 'invalid_subject')
      return { granted: false, error: 'invalid_grant' };
    if (!checked.active) {
      assertShort(grant.accessToken);
      throw new UpstreamUnavailable(
        `the authorization server issued an access token that does not verify here: ${checked.detail ?? checked.reason}`,
      );
    }
    const { subject, issuedAtSeconds, expiresAtSeconds } = checked.principal;
    const facts = { subject, tokenId: tokenId(grant.accessToken), issuedAtSeconds, grantedNow: true };
    const { denied, subjectDenial, toBeAdmitted } = await this.denials.status(facts);
    // The time of issue is a whole second of another clock, and does not tell the first log-in after "log out everywhere" from one
    // before. A grant that was requested with the denial known is later, whatever the clocks say.
    const isLater = subjectDenial !== undefined && subjectDenial === denialBefore;
    // Without a denial of the subject, the token itself is denied: a log-out came within this second, and the server grants the same
    // token again.
    if (denied && !isLater)
      return { why: REVOKED, subjectDenial, untilNextSecond: subjectDenial === undefined };
    const expiresInSeconds = leftOf({ ...grant, grantedAtMs }, clock);
    const issued = issuance.issue({ ...grant, expiresInSeconds }, checked.principal, undefined);
    if (!issued) return { granted: false, error: 'invalid_scope' };
    // A token that its holder does not get may have any length.
    assertShort(issued.token.accessToken);
    const current = deniedToken(issued.token.accessToken, expiresAtSeconds);
    const nowSeconds = Math.floor(nowInSeconds(clock));
    const session: Session = {
      id: randomUUID(),
      subject,
      clientId: issuance.clientId,
      scope: issued.scope,
      startedAtSeconds: nowSeconds,
      usedAtSeconds: nowSeconds,
      device,
      issuedAtSeconds,
      expiresAtSeconds,
      refreshToken: grant.refreshToken,
      accessTokens: [current],
    };
    // Auth0's tokens have no `jti`: two log-ins of one second can get the same token, which would end with the first of its two
    // sessions.
    if (!(await this.sessions.start(issued, session)))
      return { why: TAKEN, subjectDenial: denialBefore, untilNextSecond: true };
    try {
      // After `start`, which refuses the token of an earlier session: that one stays revoked.
      if (denied || toBeAdmitted) await this.denials.admit([current], subjectDenial);
      await this.endSurplus(session);
    } catch (error) {
      const entry = { ...session, credentialId: credentialId(credentialOf(issued.token)) };
      await this.logOut.endEntry(entry).catch(() => undefined);
      throw error;
    }
    return { granted: true, token: issued.token };
  }

  /** Ends the sessions that were used last longest ago, so that the user's list shows all that live. */
  private async endSurplus({ id, subject }: Session): Promise<void> {
    for (const entry of await this.sessions.surplusEntriesOf(subject)) {
      if (entry.id === id) continue;
      await this.logOut.endEntry(entry);
      this.log.info({ subject }, 'a user has too many sessions: the one unused longest is ended');
    }
  }

  /** A refresh token without a session must not stay in force. */
  private async giveBack(refreshToken: string | undefined): Promise<void> {
    if (refreshToken === undefined) return;
    try {
      await this.authorizationServer.revoke(refreshToken);
    } catch (error) {
      this.log.warn({ err: error }, 'a refresh token that no session has could not be revoked upstream');
    }
  }
}

function assertShort(accessToken: string): void {
  const unusable = tooLong(accessToken);
  if (unusable !== undefined) throw new UpstreamUnavailable(unusable, SETTING_RETRY_SECONDS);
}

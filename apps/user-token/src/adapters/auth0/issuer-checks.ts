import type { Fault, Findings } from '@app/ops';
import { UpstreamUnavailable } from '../../core/authorization-server.js';
import {
  NotAnIssuer,
  PASSWORD_REALM,
  type GrantAnswer,
  type OpenidAuthorizationServer,
} from './openid-authorization-server.js';
import type { Misconfigured } from './token-endpoint-errors.js';

export const ISSUER_CHECKS = ['issuer', 'client', 'audience', 'realm', 'issuerClock'] as const;
export type IssuerCheck = (typeof ISSUER_CHECKS)[number];

export interface IssuerChecksOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly audience: string;
  readonly scope: string;
  readonly realm?: string | undefined;
  readonly clockToleranceSeconds: number;
  /** The clock that decides about the age of tokens. */
  readonly nowMs: () => number;
}

/** The server authenticates the client before it refuses this token as unknown (RFC 6749 section 6). */
const NO_REFRESH_TOKEN = 'readiness-check-no-such-token';
/** The `Date` header has whole seconds. */
const MIN_CLOCK_DIFFERENCE_SECONDS = 2;

/**
 * Checks without a log-in whether the settings fit the tenant. The discovery document shows the issuer. A refresh with an unknown token
 * shows whether the tenant knows our client and its secret. A log-in without a user shows whether the client may have the audience, and
 * at which connection. Some servers check the user first; there the first log-in shows these faults.
 */
export class IssuerChecks {
  constructor(
    private readonly server: OpenidAuthorizationServer,
    private readonly options: IssuerChecksOptions,
  ) {}

  /** At most one request for each question, after one for the discovery document. */
  async look(): Promise<Findings<IssuerCheck>> {
    let found: Findings<IssuerCheck> = {};
    try {
      await this.server.jwksUri();
      const refresh = await this.ask('refresh_token', { refresh_token: NO_REFRESH_TOKEN });
      found = { ...this.ofServer(refresh), ...this.ofClient(refresh) };
      if (found.client !== 'well') return found;
      const { audience, scope, realm } = this.options;
      const grantType = realm === undefined ? 'password' : PASSWORD_REALM;
      const logIn = await this.ask(grantType, { audience, scope, ...(realm !== undefined && { realm }) });
      return { ...found, ...this.ofServer(logIn), ...this.ofLogIn(logIn, grantType) };
    } catch (error) {
      if (!(error instanceof UpstreamUnavailable)) throw error;
      return { ...found, issuer: this.away(error) };
    }
  }

  private ask(grantType: string, parameters: Readonly<Record<string, string>>): Promise<GrantAnswer> {
    return this.server.answerToGrant(grantType, parameters, this.options.nowMs);
  }

  private ofServer(answer: GrantAnswer): Findings<IssuerCheck> {
    const { status, clockAheadSeconds } = answer;
    return {
      issuer: speaksOAuth(answer)
        ? 'well'
        : inPassing(`the authorization server's token endpoint answered ${status}, and not as OAuth has it`),
      ...(clockAheadSeconds !== undefined && { issuerClock: this.clockFault(clockAheadSeconds) ?? 'well' }),
    };
  }

  /** Nothing for an answer that is not about us, e.g. of a firewall or a rate limit. */
  private ofClient(answer: GrantAnswer): Findings<IssuerCheck> {
    const { status } = answer;
    if (!speaksOAuth(answer) || status === 429) return {};
    const setting = misconfigured(answer);
    // Without a user in the request, 401 means an unknown client.
    const isKnown = setting === undefined ? status !== 401 : setting !== 'client';
    return isKnown ? { client: 'well' } : this.ofSetting('client', '');
  }

  private ofLogIn(answer: GrantAnswer, grantType: string): Findings<IssuerCheck> {
    const { status, meaning } = answer;
    const setting = misconfigured(answer);
    if (setting !== undefined) return this.ofSetting(setting, grantType);
    // Auth0's answer of a tenant without a default directory. An outage may look the same.
    if (status >= 500 && this.options.realm === undefined)
      return { issuer: 'well', ...this.noDirectory(`with ${status}`) };
    const ofClient = this.ofClient(answer);
    if (ofClient.client !== 'well') return ofClient;
    // The request names no user, so the denial is for the client.
    if (meaning?.kind === 'denied') return this.ofSetting('audience', grantType);
    return { audience: 'well', realm: 'well' };
  }

  private ofSetting(setting: Misconfigured['setting'], grantType: string): Findings<IssuerCheck> {
    const { clientId, audience, scope, realm } = this.options;
    switch (setting) {
      case 'client': {
        const detail = `the authorization server does not take AUTH0_CLIENT_SECRET for AUTH0_CLIENT_ID "${clientId}"`;
        return { client: ofSettings(detail) };
      }
      case 'grants':
        return { client: ofSettings(`the client of AUTH0_CLIENT_ID may not use the grant ${grantType}`) };
      case 'audience': {
        const detail = `the client of AUTH0_CLIENT_ID gets no tokens for AUTH0_AUDIENCE "${audience}": is it the identifier of an API?`;
        return { audience: ofSettings(detail) };
      }
      case 'scope': {
        const detail = `the client of AUTH0_CLIENT_ID gets no tokens of AUTH0_SCOPE "${scope}" for AUTH0_AUDIENCE "${audience}"`;
        return { audience: ofSettings(detail) };
      }
      case 'connection': {
        if (realm === undefined) return this.noDirectory('by refusing its connection');
        const detail = `AUTH0_REALM "${realm}" is no connection of the tenant, or not one of this client`;
        return { audience: 'well', realm: ofSettings(detail) };
      }
      case 'directory':
        return this.noDirectory('by saying that it has no default connection');
      default:
        return setting satisfies never;
    }
  }

  /** Holds back no new service: front ends may name one of LOGIN_REALMS with each log-in. */
  private noDirectory(how: string): Findings<IssuerCheck> {
    const where = "the authorization server's token endpoint";
    const detail = `${where} answers a log-in without a realm ${how}: set a Default Directory for the tenant, or AUTH0_REALM`;
    return { realm: inPassing(detail) };
  }

  private clockFault(aheadSeconds: number): Fault | undefined {
    const { clockToleranceSeconds } = this.options;
    const seconds = Math.round(Math.abs(aheadSeconds));
    if (seconds <= Math.max(clockToleranceSeconds, MIN_CLOCK_DIFFERENCE_SECONDS)) return undefined;
    return inPassing(
      aheadSeconds > 0
        ? `the authorization server's clock is ${seconds} s ahead of ours, CLOCK_TOLERANCE_SECONDS is ${clockToleranceSeconds}: its tokens are refused at first; check that NTP runs`
        : `the authorization server's clock is ${seconds} s behind ours: its tokens end early; check that NTP runs`,
    );
  }

  private away(error: UpstreamUnavailable): Fault {
    const { issuer } = this.options;
    return error instanceof NotAnIssuer
      ? ofSettings(`AUTH0_ISSUER_URL "${issuer}" is no issuer: ${error.message}`)
      : inPassing(`AUTH0_ISSUER_URL "${issuer}" gives no answer: ${error.message}`);
  }
}

/** 429 counts as well: Auth0 sends it as plain text. */
function speaksOAuth(answer: GrantAnswer): boolean {
  const { status, meaning } = answer;
  if (status === 200 || status === 429) return true;
  return meaning !== undefined && (status < 500 || meaning.kind === 'misconfigured');
}

function misconfigured({ meaning }: GrantAnswer): Misconfigured['setting'] | undefined {
  return meaning?.kind === 'misconfigured' ? meaning.setting : undefined;
}

function ofSettings(detail: string): Fault {
  return { detail, holdsBackNew: true };
}

/** A running fleet can still judge most tokens during an outage, and must stay ready. */
function inPassing(detail: string): Fault {
  return { detail, holdsBackNew: false };
}

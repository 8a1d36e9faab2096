import * as client from 'openid-client';
import { LineLimit } from '@app/ops';
import { MAX_DENIAL_DESCRIPTION_LENGTH } from '@app/contract';
import {
  AuthorizationServer,
  UpstreamUnavailable,
  type Credentials,
  type UpstreamGrant,
  type UpstreamRefusal,
  type UserInfo,
} from '../../core/authorization-server.js';
import type { Log } from '../../core/log.js';
import { failureCode } from './failure-code.js';
import { httpDateMs } from './http-date.js';
import { retryAfterSeconds } from './retry-after.js';
import { answeredError, responseOf, type AnsweredError, type Meaning } from './token-endpoint-errors.js';

export interface OpenidOptions {
  /** Issuer identifier with its trailing slash, e.g. `https://acme-dev.auth0.com/`. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** API identifier, sent with each log-in. */
  readonly audience: string;
  /** Scopes, sent with each log-in, OpenID's included. */
  readonly scope: string;
  /** Connection of log-ins that name none. Default: the default directory of the tenant. */
  readonly realm?: string | undefined;
  /** Whether a user sees the text of an Action that denies the log-in. Default: hide. */
  readonly denialDescriptions?: 'pass' | 'hide' | undefined;
  /** Deadline of one request, in milliseconds. */
  readonly timeoutMs: number;
  /** Default: Node's own. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** The token endpoint's answer to a grant request that must fail. */
export interface GrantAnswer {
  readonly status: number;
  /** Absent for an answer that is no error of RFC 6749 section 5.2. */
  readonly meaning?: Meaning;
  /** Smallest possible difference of the server's clock to ours in seconds, negative if behind; undefined without a `Date`. */
  readonly clockAheadSeconds?: number | undefined;
}

/** A server answers at AUTH0_ISSUER_URL, but it is no issuer of that name. A retry cannot help. */
export class NotAnIssuer extends UpstreamUnavailable {}

export const PASSWORD_REALM = 'http://auth0.com/oauth/grant-type/password-realm';

/**
 * Statuses for a log-in that is malformed, too long or unprocessable. They mean the user name or the password: the rest is configured,
 * and a fault in it would show with each log-in.
 */
const INPUT_STATUSES: ReadonlySet<number> = new Set([400, 413, 414, 422, 431]);
const UNLISTED =
  'the authorization server refuses a log-in with an unknown error code: it counts as a wrong password';
const MAX_LOGGED_LENGTH = 64;
const INPUT_REFUSED =
  'the authorization server does not take a user name or password; if it takes none, compare AUTH0_REALM and LOGIN_REALMS with the tenant';

/** Talks to Auth0, or to a server of its dialect, through openid-client. The first use discovers the metadata, which is kept. */
export class OpenidAuthorizationServer extends AuthorizationServer {
  private metadata: Promise<client.ServerMetadata> | undefined;
  private readonly lines = new LineLimit();

  constructor(
    private readonly options: OpenidOptions,
    private readonly log?: Log,
  ) {
    super();
  }

  override async grantPassword({ username, password, realm, clientAddress }: Credentials) {
    const connection = realm ?? this.options.realm;
    const config = await this.configuration(clientAddress);
    const parameters = {
      username,
      password,
      audience: this.options.audience,
      scope: this.options.scope,
      ...(connection !== undefined && { realm: connection }),
    };
    const grantType = connection === undefined ? 'password' : PASSWORD_REALM;
    return this.grant(
      () => client.genericGrantRequest(config, grantType, parameters),
      this.options.scope,
      (failure, answered) => this.inputRefusalOf(failure, answered) ?? this.unlistedRefusalOf(answered),
    );
  }

  override async grantRefresh(refreshToken: string) {
    const config = await this.configuration();
    return this.grant(() => client.refreshTokenGrant(config, refreshToken), '');
  }

  override async revoke(refreshToken: string): Promise<void> {
    const config = await this.configuration();
    try {
      await client.tokenRevocation(config, refreshToken, { token_type_hint: 'refresh_token' });
    } catch (error) {
      throw unavailable('revocation', error, await answeredError(error));
    }
  }

  override async userInfo(accessToken: string): Promise<UserInfo> {
    const config = await this.configuration();
    try {
      const { sub, ...claims } = await client.fetchUserInfo(config, accessToken, client.skipSubjectCheck);
      return { active: true, subject: sub, claims };
    } catch (error) {
      if (error instanceof client.WWWAuthenticateChallengeError && error.status === 401)
        return { active: false };
      throw unavailable('userinfo', error);
    }
  }

  /** URL of the signing keys. */
  async jwksUri(): Promise<URL> {
    const { jwks_uri: uri } = await this.discovered();
    if (uri === undefined)
      throw new UpstreamUnavailable('the discovery document of AUTH0_ISSUER_URL names no jwks_uri');
    return new URL(uri);
  }

  /**
   * Asks for a grant without a part that it needs, such as a user. The answer is about our settings, and no user pays for the failure.
   *
   * @throws {UpstreamUnavailable} when there is no answer
   */
  async answerToGrant(
    grantType: string,
    parameters: Readonly<Record<string, string>>,
    nowMs: () => number,
  ): Promise<GrantAnswer> {
    const config = await this.configuration();
    const askedAtMs = nowMs();
    try {
      await client.genericGrantRequest(config, grantType, parameters);
      return { status: 200 };
    } catch (error) {
      const heardAtMs = nowMs();
      const response = answerTo(error);
      if (!response) throw unavailable('token', error);
      const answered = await answeredError(error);
      return {
        status: response.status,
        ...(answered && { meaning: answered.meaning }),
        clockAheadSeconds: secondsAhead(response, askedAtMs, heardAtMs),
      };
    }
  }

  private async grant(
    request: () => Promise<client.TokenEndpointResponse>,
    scopeAsked: string,
    /** Finds further refusals, of a log-in only. */
    otherRefusalOf: (
      failure: unknown,
      answered: AnsweredError | undefined,
    ) => UpstreamRefusal | undefined = () => undefined,
  ): Promise<UpstreamGrant | UpstreamRefusal> {
    try {
      const response = await request();
      return {
        granted: true,
        accessToken: response.access_token,
        refreshToken: response.refresh_token,
        expiresInSeconds: response.expires_in ?? 0,
        // RFC 6749 section 5.1: an answer may omit the `scope` that was asked for.
        scope: response.scope ?? scopeAsked,
      };
    } catch (failure) {
      const answered = await answeredError(failure);
      const refusal = this.refusalOf(failure, answered) ?? otherRefusalOf(failure, answered);
      if (refusal) return refusal;
      throw unavailable('token', failure, answered);
    }
  }

  private refusalOf(failure: unknown, answered: AnsweredError | undefined): UpstreamRefusal | undefined {
    if (answered?.meaning.kind === 'denied') return this.denied(answered);
    if (answered?.meaning.kind !== 'refused') return undefined;
    const { refusal: error } = answered.meaning;
    if (error === 'too_many_attempts') {
      const response = answerTo(failure);
      return { granted: false, error, retryAfterSeconds: response && retryAfterSeconds(response) };
    }
    if (error !== 'mfa_required') return { granted: false, error };
    const { mfaToken } = answered;
    return { granted: false, error, passwordWas: 'right', ...(mfaToken !== undefined && { mfaToken }) };
  }

  private denied({ status, description }: AnsweredError): UpstreamRefusal {
    const words = presentable(description);
    const more = this.lines.admit('denied');
    if (more)
      this.log?.info(
        { status, description: words, ...more },
        'the authorization server denies access, or an Action or a database script of its tenant does',
      );
    const passed = this.options.denialDescriptions === 'pass' && words !== '';
    return {
      granted: false,
      error: 'access_denied',
      // An Action decides after the password, the script of a custom database instead of it; both give this answer.
      passwordWas: 'untold',
      ...(passed && { description: words }),
    };
  }

  private inputRefusalOf(failure: unknown, answered: AnsweredError | undefined): UpstreamRefusal | undefined {
    const status = answered?.meaning.kind === 'misconfigured' ? undefined : inputStatusOf(failure);
    if (status === undefined) return undefined;
    const more = this.lines.admit('input');
    // No description: it may repeat the input.
    if (more) this.log?.warn({ status, ...more }, INPUT_REFUSED);
    return { granted: false, error: 'invalid_request' };
  }

  /** The code may mean a wrong password. So it counts as one; otherwise guesses would have no limit. */
  private unlistedRefusalOf(answered: AnsweredError | undefined): UpstreamRefusal | undefined {
    if (answered?.meaning.kind !== 'unlisted') return undefined;
    const { status, error } = answered;
    const more = this.lines.admit('unlisted');
    if (more) this.log?.warn({ status, code: error.slice(0, MAX_LOGGED_LENGTH), ...more }, UNLISTED);
    return { granted: false, error: 'access_denied' };
  }

  private async configuration(clientAddress?: string): Promise<client.Configuration> {
    const { clientId, clientSecret, timeoutMs, issuer } = this.options;
    const metadata = await this.discovered();
    const config = new client.Configuration(
      metadata,
      clientId,
      undefined,
      client.ClientSecretPost(clientSecret),
    );
    config.timeout = timeoutMs / 1000;
    if (issuer.startsWith('http:')) client.allowInsecureRequests(config);
    const forwarded = clientAddress === undefined ? {} : { 'auth0-forwarded-for': clientAddress };
    config[client.customFetch] = (url, init) =>
      this.fetch(url, { ...init, headers: { ...init.headers, ...forwarded } } as RequestInit);
    return config;
  }

  private fetch(url: string, init: RequestInit): Promise<Response> {
    return (this.options.fetch ?? globalThis.fetch)(url, init);
  }

  private async discovered(): Promise<client.ServerMetadata> {
    this.metadata ??= this.discover().catch((error: unknown) => {
      this.metadata = undefined;
      throw error;
    });
    return this.metadata;
  }

  private async discover(): Promise<client.ServerMetadata> {
    const { issuer, clientId, timeoutMs } = this.options;
    try {
      const config = await client.discovery(new URL(issuer), clientId, undefined, undefined, {
        timeout: timeoutMs / 1000,
        [client.customFetch]: (url, init) => this.fetch(url, init as RequestInit),
        ...(issuer.startsWith('http:') && { execute: [client.allowInsecureRequests] }),
      });
      const metadata = config.serverMetadata();
      assertOwnEndpoints(metadata, issuer);
      return metadata;
    } catch (error) {
      if (error instanceof UpstreamUnavailable) throw error;
      const failed = unavailable('discovery', error);
      throw isOfNoIssuer(error) ? new NotAnIssuer(failed.message, failed.retryAfterSeconds) : failed;
    }
  }
}

/** The response to a failed request; undefined without one. */
function answerTo(failure: unknown): Response | undefined {
  return failure instanceof client.ResponseBodyError ? failure.response : responseOf(failure);
}

/** One line of printable characters. */
function presentable(description: string): string {
  const cut = description.trim().slice(0, MAX_DENIAL_DESCRIPTION_LENGTH);
  return cut.replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]+/gu, ' ').trim();
}

/** The status, if the input caused the refusal. Other codes than `invalid_request` are about the client, its grants or the scope. */
function inputStatusOf(failure: unknown): number | undefined {
  const isOAuth = failure instanceof client.ResponseBodyError;
  const status = (isOAuth ? failure : responseOf(failure))?.status;
  if (status === undefined || !INPUT_STATUSES.has(status)) return undefined;
  return isOAuth && status === 400 && failure.error !== 'invalid_request' ? undefined : status;
}

/** Whether the answer shows that the server is no issuer. Answers of a busy or broken server, or a firewall, do not. */
function isOfNoIssuer(error: unknown): boolean {
  if (!(error instanceof client.ClientError)) return false;
  const status = responseOf(error)?.status;
  if (status !== undefined) return [200, 301, 302, 307, 308, 400, 404, 405, 410].includes(status);
  return error.code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED' || error.code === 'OAUTH_PARSE_ERROR';
}

/** `Date` has whole seconds, and the server wrote it between our request and its answer. Only a larger difference counts. */
function secondsAhead({ headers }: Response, askedAtMs: number, heardAtMs: number): number | undefined {
  const dateMs = httpDateMs(headers.get('date'));
  if (dateMs === undefined) return undefined;
  if (dateMs > heardAtMs) return (dateMs - heardAtMs) / 1000;
  return dateMs + 1_000 < askedAtMs ? (dateMs + 1_000 - askedAtMs) / 1000 : 0;
}

/** A discovery document must not send credentials elsewhere. */
function assertOwnEndpoints(metadata: client.ServerMetadata, issuer: string): void {
  for (const name of ['token_endpoint', 'jwks_uri', 'userinfo_endpoint', 'revocation_endpoint'] as const) {
    const endpoint = metadata[name];
    if (endpoint !== undefined && new URL(endpoint).origin !== new URL(issuer).origin) {
      throw new NotAnIssuer(`the discovery document of AUTH0_ISSUER_URL has a ${name} on another origin`);
    }
  }
}

/**
 * Only what an operator needs: openid-client's errors carry the whole response, tokens included.
 * Auth0's texts name clients, APIs and scopes, never credentials.
 */
function unavailable(endpoint: string, error: unknown, answered?: AnsweredError): UpstreamUnavailable {
  const where = `the authorization server's ${endpoint} endpoint`;
  const response = answerTo(error);
  if (response && answered) {
    const { status, description, meaning } = answered;
    const said = `${where} answered ${status} ${answered.error}: ${description.slice(0, 200)}`;
    const text = meaning.kind === 'misconfigured' ? `${said} (${meaning.check})` : said;
    return new UpstreamUnavailable(text, retryAfterSeconds(response));
  }
  if (response) {
    return new UpstreamUnavailable(`${where} answered ${response.status}`, retryAfterSeconds(response));
  }
  return new UpstreamUnavailable(`${where} gave no usable answer (${failureCode(error)})`);
}

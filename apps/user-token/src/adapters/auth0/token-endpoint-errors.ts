// Meaning of the token endpoint's errors: RFC 6749 section 5.2, and Auth0's own codes as in docs/auth0-errors.md.
import * as client from 'openid-client';
import type { GrantRefusal } from '@app/contract';

/** An error with a code from the server. */
export interface AnsweredError extends Worded {
  readonly meaning: Meaning;
  readonly mfaToken: string | undefined;
}

interface Worded {
  readonly status: number;
  readonly error: string;
  /** Text by Auth0, or by the author of an Action; may be empty. */
  readonly description: string;
}

/**
 * - `refused`: the error is about the user.
 * - `denied`: an Action or a rule of the tenant denies access, or the script of a custom database failed, perhaps because of the password.
 * - `misconfigured`: the error is about our settings, and so about all users.
 * - `unavailable`: the server could not decide.
 * - `unlisted`: the status means a decision, but the code is not in the list.
 */
export type Meaning =
  | { readonly kind: 'refused'; readonly refusal: GrantRefusal }
  | { readonly kind: 'denied' }
  | ({ readonly kind: 'misconfigured' } & Misconfigured)
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'unlisted' };

export interface Misconfigured {
  readonly setting: 'client' | 'audience' | 'scope' | 'grants' | 'connection' | 'directory';
  /** What an operator has to do. */
  readonly check: string;
}

const REFUSALS = new Map<string, GrantRefusal>([
  ['invalid_grant', 'invalid_grant'],
  // "user is blocked" gets the answer of a wrong password, which does not tell whether the account exists.
  ['unauthorized', 'invalid_grant'],
  ['too_many_attempts', 'too_many_attempts'],
  ['password_leaked', 'password_leaked'],
  ['mfa_required', 'mfa_required'],
  ['requires_verification', 'requires_verification'],
]);

const CLIENT: Misconfigured = {
  setting: 'client',
  check:
    'compare AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET with the application of the tenant, whose authentication method must be Post',
};
const AUDIENCE: Misconfigured = {
  setting: 'audience',
  check:
    'compare AUTH0_AUDIENCE with the identifiers of the APIs of the tenant, and whether the application may use that API',
};
const SCOPE: Misconfigured = {
  setting: 'scope',
  check: 'compare AUTH0_SCOPE with what the application may ask for',
};
const GRANTS: Misconfigured = {
  setting: 'grants',
  check:
    'allow the application the grants Password and Refresh Token and, if AUTH0_REALM or LOGIN_REALMS is set, password-realm',
};
const CONNECTION: Misconfigured = {
  setting: 'connection',
  check: 'compare AUTH0_REALM and LOGIN_REALMS with the connections of the tenant',
};
const DIRECTORY: Misconfigured = {
  setting: 'directory',
  check: 'set the Default Directory of the tenant, or AUTH0_REALM',
};

/**
 * Auth0 uses `access_denied` and other codes for faults of our settings as well, and only the text shows the difference. Auth0 may change
 * a text: an unknown one counts as an error about the user.
 */
const SETTINGS_BY_DESCRIPTION: readonly (readonly [RegExp, Misconfigured])[] = [
  [/^service not (?:enabled|found)\b/i, AUDIENCE],
  [/^client (?:"[^"]*" )?is not authorized to access\b/i, AUDIENCE],
  [/^non-global clients are not allowed\b/i, AUDIENCE],
  [/^client has not been granted scopes\b/i, SCOPE],
  [/^grant type '[^']*' not allowed for the client\b/i, GRANTS],
  [/^the connection was (?:not found|disabled)\b/i, CONNECTION],
  [/^invalid connection specified for password grant\b/i, CONNECTION],
  [/^unknown or invalid realm\b/i, CONNECTION],
  [/\bnot configured with default connection\b/i, DIRECTORY],
];

const SETTINGS_BY_CODE = new Map<string, Misconfigured>([
  ['invalid_client', CLIENT],
  ['unauthorized_client', GRANTS],
  ['unsupported_grant_type', GRANTS],
  ['invalid_scope', SCOPE],
  ['invalid_target', AUDIENCE],
]);

const COULD_NOT_JUDGE: ReadonlySet<string> = new Set([
  'server_error',
  'temporarily_unavailable',
  'too_many_requests',
]);

/** Auth0's text, with 401, for a wrong client or secret. An Action may use it, too. */
const UNAUTHORIZED = /^unauthorized\.?$/i;

/** Statuses of a denial by an Action. */
const DENIED = new Set([400, 401, 403, 500]);
const JUDGED = new Set([400, 401, 403]);

function meaningOf(answered: Worded): Meaning {
  const { status, error } = answered;
  const refusal = status < 500 ? REFUSALS.get(error) : undefined;
  if (refusal) return { kind: 'refused', refusal };
  const misconfigured = settingOf(answered);
  if (misconfigured) return { kind: 'misconfigured', ...misconfigured };
  if (error === 'access_denied' && DENIED.has(status)) return { kind: 'denied' };
  if (COULD_NOT_JUDGE.has(error) || !JUDGED.has(status)) return { kind: 'unavailable' };
  return { kind: 'unlisted' };
}

function settingOf({ status, error, description }: Worded): Misconfigured | undefined {
  const text = description.trim();
  if (error === 'access_denied' && status === 401 && UNAUTHORIZED.test(text)) return CLIENT;
  const [, described] = SETTINGS_BY_DESCRIPTION.find(([wording]) => wording.test(text)) ?? [];
  if (described) return described;
  // 401 means that the client is unknown, not that it asked for too much.
  return error === 'unauthorized_client' && status === 401 ? CLIENT : SETTINGS_BY_CODE.get(error);
}

/** @returns undefined without an answer in the form of RFC 6749 section 5.2 */
export async function answeredError(failure: unknown): Promise<AnsweredError | undefined> {
  if (failure instanceof client.ResponseBodyError) return answerOf(failure.status, failure.cause);
  const response = responseOf(failure);
  // openid-client does not read the body of these.
  if (response?.status !== 500 && !(failure instanceof client.WWWAuthenticateChallengeError))
    return undefined;
  const isJson = /^application\/json\b/i.test(response?.headers.get('content-type') ?? '');
  if (!response || response.bodyUsed || !isJson) return undefined;
  return answerOf(response.status, await response.json().catch(() => undefined));
}

/** The server's answer, if openid-client could not parse it. */
export function responseOf(failure: unknown): Response | undefined {
  if (failure instanceof client.WWWAuthenticateChallengeError) return failure.response;
  const cause = failure instanceof client.ClientError ? failure.cause : undefined;
  // A response of another `fetch` has another class than Node's own.
  return Object.prototype.toString.call(cause) === '[object Response]' ? (cause as Response) : undefined;
}

function answerOf(status: number, body: unknown): AnsweredError | undefined {
  const { error, error_description: text, mfa_token: mfaToken } = (body ?? {}) as Record<string, unknown>;
  if (typeof error !== 'string' || error === '') return undefined;
  const worded = { status, error, description: typeof text === 'string' ? text : '' };
  return {
    ...worded,
    meaning: meaningOf(worded),
    mfaToken: typeof mfaToken === 'string' ? mfaToken : undefined,
  };
}

// RFC 6750 section 2: how a bearer token is carried. Only section 2.1, the Authorization header, is supported.
import { isB64Token, isCanonicalToken } from '@app/contract';

/** What a request carried: one token of canonical spelling, nothing, or something that must be refused. */
export type BearerCredentials = { readonly kind: 'token'; readonly token: string } | UnusableCredentials;

export type UnusableCredentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'invalid_request'; readonly description: string }
  | { readonly kind: 'invalid_token' };

/** The parts of an Express or Fastify request that are looked at. */
export interface BearerRequest {
  /** Node's request below Fastify's. */
  readonly raw?: { readonly rawHeaders?: readonly string[] };
  readonly rawHeaders?: readonly string[];
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly query?: unknown;
  readonly body?: unknown;
}

// Frozen, because all callers get the same object.
const NONE: BearerCredentials = Object.freeze({ kind: 'none' });
const SEVERAL = Symbol('several');
const INVALID_TOKEN: BearerCredentials = Object.freeze({ kind: 'invalid_token' });
const BEARER = /^Bearer(?: +(.*))?$/i;
const FORM = /^\s*application\/x-www-form-urlencoded\s*(?:;|$)/i;

/**
 * Reads the token of a request.
 *
 * Node keeps only the first of several Authorization headers, where a proxy may have checked the last, so the raw
 * headers are counted. A token in the query or in a form body is never used; next to a header it is an
 * `invalid_request`, as one request must not use two methods (RFC 6750 section 2).
 */
export function readBearerCredentials(request: BearerRequest): BearerCredentials {
  const authorization = readAuthorization(request);
  if (authorization === SEVERAL) return invalidRequest('The request has more than one Authorization header');
  if (authorization === undefined) return NONE;

  const bearer = BEARER.exec(authorization);
  if (!bearer) return NONE;
  const token = bearer[1];
  const isCanonical = token !== undefined && isCanonicalToken(token);
  if (!isCanonical && (!token || !isB64Token(token))) {
    return invalidRequest('The Authorization header is not of the form: Bearer <token>');
  }
  if (carriesSecondToken(request)) {
    return invalidRequest('The access token is given in more than one way');
  }
  return isCanonical ? { kind: 'token', token } : INVALID_TOKEN;
}

/**
 * The credentials of a request with one token in the plainest form, `Bearer <token>`, unchecked: only for looking them
 * up among credentials that were canonical when they became known.
 */
export function plainCredentials(request: BearerRequest): string | undefined {
  const authorization = readAuthorization(request);
  if (typeof authorization !== 'string' || !authorization.startsWith('Bearer ')) return undefined;
  return carriesSecondToken(request) ? undefined : authorization;
}

function readAuthorization(request: BearerRequest): string | undefined | typeof SEVERAL {
  const rawHeaders = rawHeadersOf(request);
  if (rawHeaders.length === 0) return authorizationIn(request.headers);
  let authorization: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length !== 13 || !isAuthorization(name)) continue;
    if (authorization !== undefined) return SEVERAL;
    authorization = rawHeaders[i + 1]!;
  }
  return authorization;
}

function rawHeadersOf(request: BearerRequest): readonly string[] {
  return request.raw?.rawHeaders ?? request.rawHeaders ?? [];
}

/**
 * For requests made by a serverless adapter, which have no raw headers. The adapter may keep several Authorization headers apart,
 * under names of other case or in a list; headers joined with commas are no bearer token (RFC 6750 section 2.1). A header
 * that it dropped cannot be detected.
 */
function authorizationIn(headers: BearerRequest['headers']): string | undefined | typeof SEVERAL {
  const values = Object.keys(headers).flatMap((name) => (isAuthorization(name) ? (headers[name] ?? []) : []));
  return values.length > 1 ? SEVERAL : values[0];
}

function isAuthorization(name: string): boolean {
  return name === 'Authorization' || name === 'authorization' || name.toLowerCase() === 'authorization';
}

function carriesSecondToken(request: BearerRequest): boolean {
  if (hasAccessToken(request.query)) return true;
  if (!mayHaveContentType(rawHeadersOf(request))) return false;
  const contentType = request.headers['content-type'];
  return typeof contentType === 'string' && FORM.test(contentType) && hasAccessToken(formOf(request));
}

/** Node builds `headers` on first access, and most requests do not need them. */
function mayHaveContentType(rawHeaders: readonly string[]): boolean {
  if (rawHeaders.length === 0) return true;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 12 && name.toLowerCase() === 'content-type') return true;
  }
  return false;
}

/** An unreadable value holds no token that a parser could accept. */
function formOf(request: BearerRequest): unknown {
  try {
    return request.body;
  } catch {
    return undefined;
  }
}

function hasAccessToken(parameters: unknown): boolean {
  return typeof parameters === 'object' && parameters !== null && 'access_token' in parameters;
}

function invalidRequest(description: string): BearerCredentials {
  return { kind: 'invalid_request', description };
}

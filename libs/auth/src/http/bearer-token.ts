// RFC 6750 section 2: how a bearer token is carried. Only section 2.1, the Authorization header, is supported.
import { isB64Token, isCanonicalToken, type CanonicalToken } from '@app/contract';
import { credentialsOf, tokenIn } from '../cache/cache-keys.js';
import { invalidRequest, invalidToken, TOKEN_MISSING, type Refusal } from '../tokens/refusal.js';
import {
  rawHeadersOf,
  readAuthorization,
  SEVERAL_AUTHORIZATIONS,
  type RequestHeaders,
} from './authorization-header.js';

/** The parts of an Express or Fastify request that hold a token, or may hold a second one. */
export interface BearerRequest extends RequestHeaders {
  readonly query?: unknown;
  readonly body?: unknown;
}

/** The scheme has nothing, or spaces, behind it. */
const BEARER = /^Bearer(?: +|$)/i;
const FORM = /^\s*application\/x-www-form-urlencoded\s*(?:;|$)/i;

const SEVERAL_HEADERS = invalidRequest('The request has more than one Authorization header');
const SEVERAL_WAYS = invalidRequest('The access token is given in more than one way');
const OTHER_FORM = invalidRequest('The Authorization header is not of the form: Bearer <token>');
const NOT_CANONICAL = invalidToken('malformed');

/**
 * Reads the one token of a request, active or not.
 *
 * @returns the token; a {@link Refusal} of a request without one: `error` is
 *   absent without bearer credentials, `invalid_request` for several or malformed ones, `invalid_token` for another spelling
 */
export function readBearerToken(request: BearerRequest): CanonicalToken | Refusal {
  const credentials = readCredentials(request);
  if (typeof credentials !== 'string') return credentials;
  const token = tokenIn(credentials);
  return isCanonicalToken(token) ? token : faultOf(token);
}

/**
 * Reads the credentials of a request, in their plain spelling: what is behind `Bearer ` may not be a token ({@link faultOf}).
 *
 * A token in the query or in a form body is never used; next to a header it is an
 * `invalid_request`, as one request must not use two methods (RFC 6750 section 2).
 */
export function readCredentials(request: BearerRequest): string | Refusal {
  const authorization = readAuthorization(request);
  if (authorization === SEVERAL_AUTHORIZATIONS) return SEVERAL_HEADERS;
  if (authorization === undefined) return TOKEN_MISSING;
  const credentials = isPlain(authorization) ? authorization : plainSpelling(authorization);
  if (credentials === undefined) return TOKEN_MISSING;
  return carriesSecondToken(request) ? SEVERAL_WAYS : credentials;
}

/** Why a text behind `Bearer ` is no {@link CanonicalToken}. */
export function faultOf(text: string): Refusal {
  return isB64Token(text) ? NOT_CANONICAL : OTHER_FORM;
}

function isPlain(authorization: string): boolean {
  return authorization.startsWith('Bearer ') && authorization.charCodeAt(7) !== 0x20;
}

/** @returns undefined for another scheme */
function plainSpelling(authorization: string): string | undefined {
  const scheme = BEARER.exec(authorization)?.[0];
  return scheme === undefined ? undefined : credentialsOf(authorization.slice(scheme.length));
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

// RFC 6750 section 3.1: why a request gets no access, in the words of no transport.

import type { InactiveReason } from '@app/contract';

export type BearerError = 'invalid_request' | 'invalid_token' | 'insufficient_scope';

/** A request gets no access. Each context words this value in its own way, and adds the realm of its challenges. */
export interface Refusal {
  readonly allowed: false;
  /** Absent where the request carried no token. */
  readonly error?: BearerError;
  /** For the client; the same for every invalid token. */
  readonly description: string;
  /** What would be enough: scopes, then permissions. Only with `insufficient_scope`. */
  readonly scope?: readonly string[];
  /** For the log: one of a few words. Absent where there is nothing to log. */
  readonly reason?: string;
  /** For the log: the exact fault, where the reason leaves it open. */
  readonly detail?: string;
}

/** Text for every unacceptable token, from RFC 6750 section 3.1. Only the log says which of the reasons it was. */
export const INVALID_TOKEN_DESCRIPTION =
  'The access token provided is expired, revoked, malformed, or invalid for other reasons';

export const TOKEN_MISSING: Refusal = Object.freeze({
  allowed: false,
  description: 'An access token is required',
});

export function invalidRequest(description: string): Refusal {
  return Object.freeze<Refusal>({
    allowed: false,
    error: 'invalid_request',
    description,
    reason: 'invalid_request',
    detail: description,
  });
}

const invalidTokens = new Map<InactiveReason, Refusal>();

/** One object for each reason, so that a context words it once. */
export function invalidToken(reason: InactiveReason): Refusal {
  const known = invalidTokens.get(reason);
  if (known) return known;
  const refusal = Object.freeze<Refusal>({
    allowed: false,
    error: 'invalid_token',
    description: INVALID_TOKEN_DESCRIPTION,
    reason,
  });
  invalidTokens.set(reason, refusal);
  return refusal;
}

/** @param scope what would be enough */
export function insufficientScope(scope: readonly string[]): Refusal {
  return Object.freeze<Refusal>({
    allowed: false,
    error: 'insufficient_scope',
    description: 'The access token does not carry what this request needs',
    scope,
    reason: 'insufficient_scope',
    detail: `it takes ${scope.join(' ')}`,
  });
}

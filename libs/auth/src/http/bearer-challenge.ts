// RFC 6750 section 3: the WWW-Authenticate response header field.
import type { BearerError } from '../tokens/refusal.js';

/** Parameters of a challenge. A refusal has all of them but the realm. */
export interface BearerChallenge {
  /** Protection space (RFC 9110 section 11.5). */
  readonly realm: string;
  /** Absent when the request carried no credentials at all: then nothing else is told either. */
  readonly error?: BearerError;
  readonly description?: string;
  /** What would be sufficient, for `insufficient_scope`. */
  readonly scope?: readonly string[];
}

/**
 * The only place that builds a challenge. Values are reduced to what a quoted-string of RFC 6750 may hold.
 *
 * @returns the value of `WWW-Authenticate`
 */
export function bearerChallenge({ realm, error, description, scope }: BearerChallenge): string {
  let challenge = `Bearer realm="${quotable(realm)}"`;
  if (error === undefined) return challenge;
  challenge += `, error="${error}"`;
  if (description) challenge += `, error_description="${quotable(description)}"`;
  if (scope) challenge += `, scope="${quotable(scope.join(' '))}"`;
  return challenge;
}

function quotable(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, '');
}

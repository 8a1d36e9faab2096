// RFC 6750 section 3: the WWW-Authenticate response header field, and section 3.1: error codes.

export type BearerError = 'invalid_request' | 'invalid_token' | 'insufficient_scope';

export interface BearerChallenge {
  readonly realm: string;
  /** Absent when the request carried no credentials at all. */
  readonly error?: BearerError;
  readonly description?: string;
  /** What would be sufficient, for `insufficient_scope`. */
  readonly scope?: readonly string[];
}

/** The only place that builds a challenge. Values are reduced to what a quoted-string of RFC 6750 may hold. */
export function bearerChallenge({ realm, error, description, scope }: BearerChallenge): string {
  const parameters = [
    `realm="${quotable(realm)}"`,
    error && `error="${error}"`,
    description && `error_description="${quotable(description)}"`,
    scope && `scope="${quotable(scope.join(' '))}"`,
  ];
  return `Bearer ${parameters.filter(Boolean).join(', ')}`;
}

function quotable(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, '');
}

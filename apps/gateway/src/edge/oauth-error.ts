import { HttpException } from '@nestjs/common';

export interface OAuthErrorHeaders {
  /** `WWW-Authenticate`. */
  readonly challenge?: string;
  /** `Retry-After`. */
  readonly retryAfterSeconds?: number;
  /** `Allow`. */
  readonly allow?: string;
}

/** An error in the form of RFC 6749 section 5.2. */
export class OAuthError extends HttpException {
  constructor(
    status: number,
    error: string,
    description: string,
    readonly headers: OAuthErrorHeaders = {},
    /** Further members of the body. */
    members: Readonly<Record<string, string>> = {},
  ) {
    super({ error, error_description: description, ...members }, status);
  }
}

export const OAUTH2_OPTIONS = Symbol('OAUTH2_OPTIONS');

export interface OAuth2Options {
  /** URL of the gateway for its clients, without a slash at the end; undefined: this machine, at its own port. */
  readonly publicUrl: string | undefined;
  /** API identifiers; an introspected token must be meant for one of them. */
  readonly audience: readonly string[];
  /** Status for a wrong user, password or refresh token: 401, or 400 by RFC 6749 section 5.2. */
  readonly invalidGrantStatus: 400 | 401;
}

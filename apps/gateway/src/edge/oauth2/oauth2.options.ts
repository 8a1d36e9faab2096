export const OAUTH2_OPTIONS = Symbol('OAUTH2_OPTIONS');

export interface OAuth2Options {
  /** Under which clients reach the gateway, without a slash at the end; undefined: this machine, at the port it listens on. */
  readonly publicUrl: string | undefined;
  /** API identifiers that an introspected token must be meant for one of. */
  readonly audience: readonly string[];
  /** Status of a wrong user, password or refresh token: 401, or 400 as RFC 6749 section 5.2 has it. */
  readonly invalidGrantStatus: 400 | 401;
}

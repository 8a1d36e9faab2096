export const LOGIN_OPTIONS = Symbol('LOGIN_OPTIONS');

export interface LoginOptions {
  /** Auth0 connections that a log-in may name as its realm. Without a realm, user-token's applies. */
  readonly realms: readonly string[];
}

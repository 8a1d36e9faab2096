export const LOGIN_OPTIONS = Symbol('LOGIN_OPTIONS');

export interface LoginOptions {
  /** Auth0 connections that a log-in may name as its realm. Who names none logs in with user-token's. */
  readonly realms: readonly string[];
}

import type { CanonicalToken, InactiveReason, Principal } from '@app/contract';

export interface ActiveToken {
  readonly active: true;
  readonly principal: Principal;
  /** Its principal's time of issue is when it was first seen, as far as is known; it may have been issued at any time before. */
  readonly mayBeOlder?: boolean | undefined;
}

export interface RefusedToken {
  readonly active: false;
  readonly reason: InactiveReason;
  /** What exactly was wrong, for a log: it may repeat what the token says, as far as that can be printed. */
  readonly detail?: string | undefined;
}

export type CheckedToken = ActiveToken | RefusedToken;

/** The time of issue, as denials are to see it: every denial of its subject is meant for a token that may be older. */
export function issuedAtForDenials({ principal, mayBeOlder }: ActiveToken): number {
  return mayBeOlder ? 0 : principal.issuedAtSeconds;
}

/** Whether a token was issued by our authorization server, for us, and is in force; revocation is another question. */
export abstract class TokenCheck {
  /** @throws {UpstreamUnavailable | Busy} when that could not be found out */
  abstract check(accessToken: CanonicalToken): Promise<CheckedToken>;
}

/** The same of a token that the authorization server has granted just now: any text, and longer than a request may carry. */
export abstract class GrantCheck {
  /** @throws {UpstreamUnavailable | Busy} when that could not be found out */
  abstract check(accessToken: string): Promise<CheckedToken>;
}

import type { CanonicalToken, InactiveReason, Principal } from '@app/contract';

export interface ActiveToken {
  readonly active: true;
  readonly principal: Principal;
  /** Its principal's time of issue is the first known sight of the token, which may be older. */
  readonly mayBeOlder?: boolean | undefined;
}

export interface RefusedToken {
  readonly active: false;
  readonly reason: InactiveReason;
  /** The exact fault, for a log. It may repeat printable parts of the token. */
  readonly detail?: string | undefined;
}

export type CheckedToken = ActiveToken | RefusedToken;

/** The time of issue for denials: every denial of the subject applies to a token that may be older. */
export function issuedAtForDenials({ principal, mayBeOlder }: ActiveToken): number {
  return mayBeOlder ? 0 : principal.issuedAtSeconds;
}

/** Whether a token is in force, from our authorization server and for us. Revocation is another question. */
export abstract class TokenCheck {
  /** @throws {UpstreamUnavailable | Busy} when there is no answer */
  abstract check(accessToken: CanonicalToken): Promise<CheckedToken>;
}

/** The same for a token that the authorization server has just granted: any text, even too long for a request. */
export abstract class GrantCheck {
  /** @throws {UpstreamUnavailable | Busy} when there is no answer */
  abstract check(accessToken: string): Promise<CheckedToken>;
}

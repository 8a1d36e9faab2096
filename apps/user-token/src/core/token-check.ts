import type { InactiveReason, Principal } from '@app/user-token-client';

export type CheckedToken =
  | { readonly active: true; readonly principal: Principal }
  | { readonly active: false; readonly reason: InactiveReason };

/** Whether a token was issued by our authorization server, for us, and is in force; revocation is another question. */
export abstract class TokenCheck {
  /**
   * @param accessToken canonical spelling
   * @throws {UpstreamUnavailable} when that could not be found out
   */
  abstract check(accessToken: string): Promise<CheckedToken>;
}

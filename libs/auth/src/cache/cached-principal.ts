import type { Principal } from '@app/contract';

/** What both tiers keep. */
export interface CachedPrincipal {
  readonly principal: Principal;
  /** Revocation epoch of the subject under which the verdict was reached. */
  readonly epoch: string;
  /** Time of the question to user-token: the time to live counts from here, whichever tiers it has gone through. */
  readonly verdictAtSeconds: number;
}

/** End of its validity: the end of its time to live, or of the token. */
export function trustedUntilSeconds(
  { principal, verdictAtSeconds }: CachedPrincipal,
  ttlSeconds: number,
): number {
  return Math.min(principal.expiresAtSeconds, verdictAtSeconds + ttlSeconds);
}

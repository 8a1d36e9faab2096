/** A log-in that lacks a second factor. */
export interface PendingMfa {
  /** Auth0's `mfa_token`; good for 10 minutes there. */
  readonly mfaToken: string;
  readonly username: string;
  /** OAuth client that the log-in is for; absent for our own front ends. */
  readonly clientId?: string | undefined;
}

/** Handles of a {@link PendingMfa}, which the front end keeps and can neither read nor change. */
export abstract class MfaHandles {
  abstract seal(pending: PendingMfa): string;
  /** @returns undefined for a handle that is not ours, or is too old */
  abstract open(handle: string): PendingMfa | undefined;
}

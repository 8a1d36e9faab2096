/** What it takes to go on with a log-in that lacks a second factor. */
export interface PendingMfa {
  /** Auth0's `mfa_token`; good for 10 minutes there. */
  readonly mfaToken: string;
  readonly username: string;
  /** OAuth client that the log-in is for; absent for our own front ends. */
  readonly clientId?: string | undefined;
}

/** Hands a {@link PendingMfa} to the front end and takes it back, without anybody there being able to read or change it. */
export abstract class MfaHandles {
  abstract seal(pending: PendingMfa): string;
  /** @returns undefined for what is not a handle of ours, or is too old */
  abstract open(handle: string): PendingMfa | undefined;
}

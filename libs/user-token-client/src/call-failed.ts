import type { UserTokenUnavailable } from './user-token-unavailable.js';

export class CallFailed extends Error {
  constructor(
    readonly unavailable: UserTokenUnavailable,
    /** Whether the call may have reached user-token. A call that did not can go to another replica, whatever it does. */
    readonly sent: boolean,
    /** Whether the process kept silent altogether. One that answers pings is slow at worst, and does not lose its callers. */
    readonly silent = false,
  ) {
    super(unavailable.message);
  }
}

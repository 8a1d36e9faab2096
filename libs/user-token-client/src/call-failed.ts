import type { UserTokenUnavailable } from './user-token-unavailable.js';

export class CallFailed extends Error {
  constructor(
    readonly unavailable: UserTokenUnavailable,
    /** Whether the call may have reached user-token. If not, any call can go to another replica. */
    readonly sent: boolean,
    /** Whether the process was completely silent. A process that answers pings is at worst slow, and keeps its callers. */
    readonly silent = false,
  ) {
    super(unavailable.message);
  }
}

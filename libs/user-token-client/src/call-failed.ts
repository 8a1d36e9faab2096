import type { UserTokenUnavailable } from './user-token-unavailable.js';

/** Whether the call may have reached user-token. A call that did not can go to another replica, whatever it does. */
export class CallFailed extends Error {
  constructor(
    readonly unavailable: UserTokenUnavailable,
    readonly sent: boolean,
  ) {
    super(unavailable.message);
  }
}

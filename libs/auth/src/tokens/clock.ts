import { Injectable } from '@nestjs/common';
import { UserTokenClient } from '@app/user-token-client';

/** The current time, for everything that expires in a guard. */
export abstract class Clock {
  /** Unix time in seconds, with its fraction. Read for each request. */
  abstract nowSeconds(): number;
}

/** The time of this machine. */
export class OwnClock extends Clock {
  override nowSeconds(): number {
    return Date.now() / 1000;
  }
}

/** The time of user-token, measured by its replies: tokens end by one clock in all services, whatever the clocks of their machines say. */
@Injectable()
export class UserTokenClock extends Clock {
  private readonly measured: { nowMs(): number };

  constructor({ clock }: UserTokenClient) {
    super();
    this.measured = clock;
  }

  override nowSeconds(): number {
    return this.measured.nowMs() / 1000;
  }
}

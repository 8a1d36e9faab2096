/** What time it is, for all that expires in a guard. */
export abstract class Clock {
  /** Unix time in seconds, with its fraction. Asked for each request. */
  abstract nowSeconds(): number;
}

/** The time of this machine. */
export class OwnClock extends Clock {
  override nowSeconds(): number {
    return Date.now() / 1000;
  }
}

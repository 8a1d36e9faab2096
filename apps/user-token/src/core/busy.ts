/** Other requests hold, or have used up, what this one needs. The authorization server has no part in it. */
export class Busy extends Error {
  readonly code = 'busy';

  constructor(
    message: string,
    readonly retryAfterSeconds = 1,
  ) {
    super(message);
    this.name = 'Busy';
  }
}

/** What was asked for is turned away for now, unchanged; the message is for the log. */
export class Overloaded extends Error {
  override readonly name = 'Overloaded';

  constructor(
    message: string,
    readonly retryAfterSeconds: number,
  ) {
    super(message);
  }
}

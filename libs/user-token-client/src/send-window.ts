import { Observable } from 'rxjs';

/** Says that the other side has read what was let in, and all before it; can be said twice, or not at all. */
export type MarkRead = () => void;

interface Waiter {
  readonly chars: number;
  enter(): void;
  fail(error: Error): void;
}

/**
 * Bounds the characters on one connection that the other side has not read yet. TCP keeps their order, so that any answer says
 * that all up to its question was read; where nothing is answered soon, `askForReceipt` makes for an answer.
 *
 * Who waits is let in, in order, as soon as there is room; the room is taken in that same moment, so that no wake-up can be lost.
 */
export class SendWindow {
  private sentChars = 0;
  private readChars = 0;
  private readonly waiting = new Set<Waiter>();
  private closed: Error | undefined;

  constructor(
    private readonly maxChars: number,
    /** Called while somebody waits, again after each reading; must lead to {@link MarkRead} of {@link mark}, or to {@link reset}. */
    private readonly askForReceipt: () => void,
  ) {}

  /** Emits once, when there is room; more than the window holds is let in alone. Who no longer wants it unsubscribes. */
  room(chars: number): Observable<MarkRead> {
    return new Observable((caller) => {
      const waiter: Waiter = {
        chars,
        enter: () => {
          this.sentChars += chars;
          caller.next(this.mark());
          caller.complete();
        },
        fail: (error) => caller.error(error),
      };
      this.waiting.add(waiter);
      this.letIn();
      return () => {
        // Who stands behind may need less room.
        if (this.waiting.delete(waiter)) this.letIn();
      };
    });
  }

  /** For all that was let in so far. */
  mark(): MarkRead {
    const upTo = this.sentChars;
    return () => {
      this.readChars = Math.max(this.readChars, upTo);
      this.letIn();
    };
  }

  /** The connection is gone, and with it all that was not read. */
  reset(): void {
    this.mark()();
  }

  /** Fails those who wait, and all who come. */
  close(error: Error): void {
    this.closed = error;
    this.letIn();
  }

  private letIn(): void {
    for (const waiter of this.waiting) {
      if (!this.closed && !this.fits(waiter.chars)) return this.askForReceipt();
      this.waiting.delete(waiter);
      if (this.closed) waiter.fail(this.closed);
      else waiter.enter();
    }
  }

  private fits(chars: number): boolean {
    const unread = this.sentChars - this.readChars;
    return unread === 0 || unread + chars <= this.maxChars;
  }
}

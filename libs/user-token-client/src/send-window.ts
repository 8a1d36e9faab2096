import { Observable } from 'rxjs';

/** States that the other side has read a message and all before it; may be called twice, or never. */
export type MarkRead = () => void;

interface Waiter {
  readonly chars: number;
  enter(): void;
  fail(error: Error): void;
}

/**
 * Bounds the characters on one connection that the other side has not read yet. TCP keeps their order, so any answer proves that
 * everything up to its question was read; where no answer comes soon, `askForReceipt` causes one.
 *
 * Waiting senders are let in, in order, as soon as there is room; each takes its room in the same moment, so no wake-up is lost.
 */
export class SendWindow {
  private sentChars = 0;
  private readChars = 0;
  private readonly waiting = new Set<Waiter>();
  private closed: Error | undefined;

  constructor(
    private readonly maxChars: number,
    /** Called while a sender waits, and again after each receipt; must lead to {@link MarkRead} of {@link mark}, or to {@link reset}. */
    private readonly askForReceipt: () => void,
  ) {}

  /** Emits once, when there is room; a message larger than the window is let in alone. To give up, unsubscribe. */
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
        // The next sender may need less room.
        if (this.waiting.delete(waiter)) this.letIn();
      };
    });
  }

  /** Covers everything let in so far. */
  mark(): MarkRead {
    const upTo = this.sentChars;
    return () => {
      this.readChars = Math.max(this.readChars, upTo);
      this.letIn();
    };
  }

  /** The connection is gone, and all unread messages with it. */
  reset(): void {
    this.mark()();
  }

  /** Fails waiting and later senders. */
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

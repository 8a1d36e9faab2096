import { CredentialCheck, type Credentials, type CredentialVerdict } from './credential-check.js';
import { Overloaded } from './overloaded.js';

export interface QueueOptions {
  /**
   * Simultaneous checks. Default 2: each takes one of the four threads in libuv's pool, and signatures, files and names also
   * need some.
   */
  readonly atOnce?: number;
  /** Checks that may wait for their turn. Default 200. */
  readonly waiting?: number;
  /** How long one may wait; its caller does not wait longer either. Default 4,000 (4 s). */
  readonly waitMs?: number;
}

const RETRY_AFTER_SECONDS = 5;

interface Waiting {
  readonly sinceMs: number;
  readonly go: () => void;
  readonly turnAway: (reason: Overloaded) => void;
}

/** A password hash takes as much CPU time as hundreds of other requests: hashes must not take all processors. */
export class QueuedCredentialCheck extends CredentialCheck {
  private readonly options: Required<QueueOptions>;
  private readonly queue: Waiting[] = [];
  private running = 0;

  constructor(
    private readonly inner: CredentialCheck,
    { atOnce = 2, waiting = 200, waitMs = 4_000 }: QueueOptions = {},
  ) {
    super();
    this.options = { atOnce, waiting, waitMs };
  }

  /** @throws {Overloaded} when too many already wait, or after too long a wait */
  override async check(credentials: Credentials): Promise<CredentialVerdict> {
    await this.turn();
    try {
      return await this.inner.check(credentials);
    } finally {
      this.handOn();
    }
  }

  private turn(): Promise<void> {
    if (this.running < this.options.atOnce) {
      this.running += 1;
      return Promise.resolve();
    }
    if (this.queue.length >= this.options.waiting) {
      return Promise.reject(new Overloaded('too many passwords wait to be checked', RETRY_AFTER_SECONDS));
    }
    return new Promise((go, turnAway) => this.queue.push({ sinceMs: performance.now(), go, turnAway }));
  }

  private handOn(): void {
    for (let next = this.queue.shift(); next; next = this.queue.shift()) {
      if (performance.now() - next.sinceMs < this.options.waitMs) return next.go();
      next.turnAway(new Overloaded('a password waited too long to be checked', RETRY_AFTER_SECONDS));
    }
    this.running -= 1;
  }
}

import type { Principal } from './principal.js';
import { tokenFacts } from './token-facts.js';

/** The part of pino's logger that refusals need. */
export interface RefusalLines {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  /** When absent, every line is made, whether it is shown or not. */
  isLevelEnabled?(level: 'debug'): boolean;
}

/** Fields of a line beside the token's own. */
export interface RefusalFields {
  readonly requestId?: string | undefined;
  /** The exact fault, where the reason leaves it open. */
  readonly detail?: string | undefined;
}

interface Window {
  untold: number;
}

const PER_MS = 60_000;

/**
 * Logs why access tokens were refused: a line for each, at `info` for the first of each reason and at `debug` for the others, and
 * once a minute the number of the others. Never the token; of its contents only {@link tokenFacts}.
 */
export class RefusalLog {
  private readonly windows = new Map<string, Window>();

  constructor(
    private readonly lines: RefusalLines,
    private readonly perMs = PER_MS,
  ) {}

  /**
   * @param reason one of a few words, because refusals are counted by it
   * @param token or its subject; undefined where there was none, or it was reported before
   */
  refused(
    reason: string,
    token: string | Principal | undefined,
    { requestId, detail }: RefusalFields = {},
  ): void {
    const window = this.windows.get(reason);
    if (!window) this.open(reason);
    else {
      window.untold += 1;
      if (this.lines.isLevelEnabled?.('debug') === false) return;
    }
    const fields = {
      reason,
      ...(detail !== undefined && { detail }),
      ...(token !== undefined && tokenFacts(token)),
      ...(requestId !== undefined && { requestId }),
    };
    this.lines[window ? 'debug' : 'info'](fields, `an access token was refused: ${reason}`);
  }

  private open(reason: string): void {
    const window = { untold: 0 };
    this.windows.set(reason, window);
    setTimeout(() => {
      const { untold } = window;
      this.windows.delete(reason);
      if (untold === 0) return;
      this.open(reason);
      this.lines.info({ reason, refused: untold }, `more access tokens were refused: ${reason}`);
    }, this.perMs).unref();
  }
}

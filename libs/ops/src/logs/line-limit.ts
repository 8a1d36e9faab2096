export interface LineLimitOptions {
  /** Lines of one kind within {@link LineLimitOptions.perMs}. */
  readonly lines: number;
  readonly perMs: number;
}

interface Window {
  readonly sinceMs: number;
  told: number;
  untold: number;
}

/** All kinds beyond this number count as one. */
const MAX_KINDS = 100;
const OTHER_KINDS = '';

/** Keeps lines that any client can cause from filling the log. */
export class LineLimit {
  private readonly windows = new Map<string, Window>();

  constructor(private readonly options: LineLimitOptions = { lines: 10, perMs: 60_000 }) {}

  /**
   * @param kind lines of one kind are counted together
   * @returns fields to add to the line, with the number of lines left out since the last one (`untold`); undefined for a line too many
   */
  admit(kind: string): { readonly untold?: number } | undefined {
    const { lines, perMs } = this.options;
    const nowMs = performance.now();
    if (this.windows.size >= MAX_KINDS) this.forgetExpired(nowMs);
    const key = this.windows.has(kind) || this.windows.size < MAX_KINDS ? kind : OTHER_KINDS;
    let window = this.windows.get(key);
    const untold = window?.untold ?? 0;
    if (!window || nowMs - window.sinceMs >= perMs) {
      window = { sinceMs: nowMs, told: 0, untold: 0 };
      this.windows.set(key, window);
    } else if (window.told >= lines) {
      window.untold += 1;
      return undefined;
    }
    window.told += 1;
    return untold > 0 ? { untold } : {};
  }

  private forgetExpired(nowMs: number): void {
    for (const [kind, { sinceMs, untold }] of this.windows) {
      if (untold === 0 && nowMs - sinceMs >= this.options.perMs) this.windows.delete(kind);
    }
  }
}

import type { CheckResult } from './health.module.js';

export interface Fault {
  /** For operators: the fault, and the setting to check. */
  readonly detail: string;
  /**
   * Whether the fault keeps traffic from a process that always had it: then its settings are wrong, or its dependency is not there
   * yet. A process that was well before stays ready, however bad the fault: otherwise all replicas would lose traffic at once.
   */
  readonly holdsBackNew: boolean;
}

/** By the name of the check. A check that was not reached is left out, and keeps its last result. */
export type Findings<Name extends string> = Partial<Readonly<Record<Name, Fault | 'well'>>>;

export interface DependencyWatchOptions<Name extends string> {
  readonly names: readonly Name[];
  /** Must limit its own time. */
  readonly look: () => Promise<Findings<Name>>;
  /** Time between checks, varied by a fifth; 0: none once all is well. */
  readonly everyMs: number;
  /** The same while something is wrong or unknown. */
  readonly retryMs: number;
  readonly log: { info(fields: object, text: string): void; warn(fields: object, text: string): void };
}

/** Checks the dependencies of a service from time to time, and reports them in log and readiness. */
export class DependencyWatch<Name extends string> {
  private readonly findings = new Map<Name, Fault | 'well'>();
  private wasWell = false;
  private closed = false;
  private next: NodeJS.Timeout | undefined;
  private readonly firstLook: Promise<void>;

  constructor(private readonly options: DependencyWatchOptions<Name>) {
    this.firstLook = this.look();
    void this.firstLook.then(() => this.lookLater());
  }

  /** Waits for the first check, but at most this long. */
  async settled(atMostMs: number): Promise<void> {
    let late: NodeJS.Timeout | undefined;
    await Promise.race([this.firstLook, new Promise((resolve) => (late = setTimeout(resolve, atMostMs)))]);
    clearTimeout(late);
  }

  /** For readiness. */
  check(name: Name): CheckResult {
    const finding = this.findings.get(name);
    if (finding === undefined) return { up: true, detail: 'not known yet' };
    if (finding === 'well') return { up: true };
    const { detail, holdsBackNew } = finding;
    return holdsBackNew && !this.wasWell ? { up: false, detail } : { up: true, degraded: true, detail };
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.next);
  }

  private lookLater(): void {
    const { everyMs, retryMs, names } = this.options;
    const isWell = names.every((name) => this.findings.get(name) === 'well');
    if (this.closed || (isWell && everyMs === 0)) return;
    const pauseMs = (isWell ? everyMs : Math.min(retryMs, everyMs || retryMs)) * (0.8 + 0.4 * Math.random());
    this.next = setTimeout(() => void this.look().then(() => this.lookLater()), pauseMs).unref();
  }

  private async look(): Promise<void> {
    const { look, names, log } = this.options;
    const found = await look().catch((error: unknown): Findings<Name> => {
      log.warn({ err: error }, `${names.join(', ')}: the check itself failed`);
      return {};
    });
    for (const name of names) {
      const finding = found[name];
      if (finding === undefined) continue;
      this.tell(name, finding);
      this.findings.set(name, finding);
    }
    const isHeldBack = (finding: Fault | 'well' | undefined) =>
      finding === undefined || (finding !== 'well' && finding.holdsBackNew);
    this.wasWell ||= !names.some((name) => isHeldBack(this.findings.get(name)));
  }

  private tell(check: Name, finding: Fault | 'well'): void {
    const { log } = this.options;
    const before = this.findings.get(check) ?? 'well';
    if (finding !== 'well') {
      if (before === 'well' || before.detail !== finding.detail) log.warn({ check }, finding.detail);
    } else if (before !== 'well') log.info({ check }, `no longer: ${before.detail}`);
  }
}

import type { Feed, ServerFacts, Subscription } from '@app/store';
import { EPOCH_CHANNEL } from '@app/contract';
import { announcementSchema, parseJson } from './denial.js';
import type { DenialCopy } from './denial-copy.js';
import type { DenialJournal } from './denial-journal.js';
import type { Generations } from './generations.js';

/** A time without announcements of other replicas. */
export interface Gap {
  /** The server that the copy was made from. */
  readonly of: string | undefined;
  /** The last entry of the journal before the gap. */
  readonly position: string | undefined;
  /** Time of the first answer of Redis during the gap (performance.now()). Until then Redis is away for all, and nothing is announced. */
  answeredAtMs?: number;
  /** Servers that answered during the gap. */
  readonly answeredBy: Set<string | undefined>;
}

/** How long Redis may answer during a gap before the copy counts as incomplete: a short reconnection costs no verdict. */
const TOLERATED_GAP_MS = 1_000;

/** Denials as other replicas announce them, learnt by the copy; and the gaps, in which it may miss some. */
export class Announcements {
  private gap: Gap | undefined = {
    of: undefined,
    position: undefined,
    answeredAtMs: Number.NEGATIVE_INFINITY,
    answeredBy: new Set(),
  };
  private lossCount = 0;
  private readonly subscription: Subscription;

  constructor(
    private readonly store: Feed & ServerFacts,
    private readonly generations: Generations,
    private readonly journal: DenialJournal,
    copy: DenialCopy,
  ) {
    this.subscription = store.subscribe(EPOCH_CHANNEL, (message) => {
      const announcement = parseJson(message, announcementSchema);
      if (!announcement) return;
      for (const denial of announcement.denials) copy.learn(denial);
      journal.heard(announcement.entryId);
    });
    this.subscription.onLost(() => this.beginGap());
  }

  /** Whether the copy has all announced denials, except those of the last moments before Redis went away. */
  get complete(): boolean {
    const { answeredAtMs = Number.POSITIVE_INFINITY } = this.gap ?? {};
    return performance.now() < answeredAtMs + TOLERATED_GAP_MS;
  }

  /**
   * Whether the copy has all announcements of the server before the present one. It lacks some if that server, or one in between,
   * answered others during the gap.
   */
  get heardFormerServer(): boolean {
    const { answeredBy = new Set(), of = undefined } = this.gap ?? {};
    return [...answeredBy].every((server) => server === this.store.serverId && server !== of);
  }

  get live(): boolean {
    return this.subscription.live;
  }

  get currentGap(): Gap | undefined {
    return this.gap;
  }

  /** How often the connection was lost. */
  get losses(): number {
    return this.lossCount;
  }

  /** Calls the listener at each change of {@link live} during a gap. */
  onChange(listener: () => void): void {
    this.subscription.onChange(() => {
      if (this.gap) listener();
    });
  }

  /** @param gap of the time of the call that is now answered */
  answered(gap: Gap | undefined): void {
    // No replica revokes anything through a former master, and the copy has all that it announced before it became a replica.
    if (!gap || !this.store.takesWrites) return;
    gap.answeredAtMs ??= performance.now();
    gap.answeredBy.add(this.store.serverId);
  }

  /**
   * The copy now has the denials of the store.
   *
   * @param losses before it was read
   * @returns false after another loss since, whose announcements may be missing
   */
  endGap(losses: number): boolean {
    if (losses !== this.lossCount) return false;
    this.gap = undefined;
    return true;
  }

  async close(): Promise<void> {
    await this.subscription.close();
  }

  private beginGap(): void {
    this.lossCount += 1;
    if (this.gap) return;
    const gap: Gap = {
      of: this.generations.serverId,
      position: this.journal.position,
      answeredBy: new Set(),
    };
    this.gap = gap;
    // By then it is known whether Redis went away as a whole.
    setTimeout(() => {
      if (this.store.available) this.answered(gap);
    }, TOLERATED_GAP_MS).unref();
  }
}

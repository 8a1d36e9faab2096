import type { KeyValues, Scan, ServerFacts } from '@app/store';
import { isGenerationOf } from '@app/contract';
import type { Log } from '../../core/log.js';
import type { Announcements } from './announcements.js';
import type { DenialCopy } from './denial-copy.js';
import type { DenialJournal } from './denial-journal.js';
import {
  generationIn,
  isFormerStore,
  type FoundGeneration,
  type Generations,
  type Knowledge,
} from './generations.js';
import { StoredDenials } from './stored-denials.js';

/** The time at which a lost store was found. */
interface Loss {
  readonly atMs: number;
  /** {@link Announcements.losses} at that time: after another one, this process has not heard all since. */
  readonly losses: number;
}

/**
 * Makes the copy of the denials and the store equal, and gives a store that has lost denials its new generation (ADR 8).
 *
 * A process that has just started, or that did not hear the others for a while, leaves a lost store to replicas that know more. Without
 * such a replica, tokens from before are of unknown standing, unless the store keeps all writes.
 */
export class StoreHealer {
  private loss: Loss | undefined;
  private markSettled: () => void = () => undefined;
  /** Resolves at the first generation of the store that this process knows. */
  readonly settled = new Promise<void>((resolve) => (this.markSettled = resolve));
  private readonly stored: StoredDenials;

  constructor(
    private readonly store: KeyValues & Scan & ServerFacts,
    private readonly copy: DenialCopy,
    private readonly generations: Generations,
    private readonly announcements: Announcements,
    private readonly journal: DenialJournal,
    private readonly siblingsMs: number,
    private readonly log: Log,
  ) {
    this.stored = new StoredDenials(store, log);
  }

  /**
   * @param isRetry after a failure, which has been logged
   * @returns false when it is to be repeated in a moment
   */
  async heal(isRetry: boolean): Promise<boolean> {
    const { losses } = this.announcements;
    const found = await this.generations.find();
    const { serverId, valid } = found;
    if (valid !== undefined && valid === this.generations.current) return this.hearAgain(valid, losses);
    const known = await this.knowledgeOf(found, losses, isRetry);
    if (known === 'later') return false;
    const better = this.betterThan(known);
    const { knewAll } = this;
    // A replica that has just started knows little more than it reads here.
    const heard = this.hasHealed || isFormerStore(found) ? undefined : [...this.copy.all()];
    await this.readAll();
    // The store may have been flushed meanwhile.
    if (valid !== undefined && !(await this.generations.stillStands(valid))) return false;
    // From now on the copy is enough, even without the store.
    if (known && (valid !== undefined || knewAll)) {
      this.generations.know(better ?? known);
      this.endGap(losses);
    }
    const expected = valid ?? (await this.generations.mark(found.value));
    if (expected === undefined) return false;
    await this.stored.complete(heard ?? this.copy.all());
    if (serverId !== this.store.serverId) return false;
    const knowledge = better ?? known ?? this.founded();
    const isNew = serverId !== undefined && (valid === undefined || better !== undefined);
    const generation = isNew ? await this.generations.renew(expected, serverId, knowledge) : valid;
    if (isNew && generation === undefined) return false;
    this.generations.enter(generation, knowledge);
    this.loss = undefined;
    this.markSettled();
    return this.endGap(losses);
  }

  private get hasHealed(): boolean {
    return this.generations.current !== undefined;
  }

  /** Whether the copy had all denials of the Redis that is gone. */
  private get knewAll(): boolean {
    return this.hasHealed && !this.copy.incomplete && this.announcements.heardFormerServer;
  }

  /** After a gap: the store is the same as before, and has the denials that were missed. */
  private async hearAgain(generation: string, losses: number): Promise<boolean> {
    const { copy, journal } = this;
    const { currentGap: gap } = this.announcements;
    if (!gap && !copy.hasRoomAgain) return true;
    if (copy.hasRoomAgain || !(await journal.readInto(copy, gap?.position))) {
      await this.readAll();
      return (await this.generations.stillStands(generation)) && this.endGap(losses);
    }
    return (await this.generations.stillStands(generation)) && this.announcements.endGap(losses);
  }

  private async readAll(): Promise<void> {
    await this.journal.moveToEnd();
    await this.stored.readInto(this.copy);
  }

  /** After {@link readAll}, of a store that is known to have been whole. */
  private endGap(losses: number): boolean {
    if (!this.announcements.endGap(losses)) return false;
    this.copy.endReading();
    return true;
  }

  /** @returns undefined when no replica knows, and `later` while another one may */
  private async knowledgeOf(
    found: FoundGeneration,
    losses: number,
    isRetry: boolean,
  ): Promise<Knowledge | 'later' | undefined> {
    const { serverId, value, formerValue, valid } = found;
    const takesOver = !this.hasHealed && isFormerStore(found);
    const told = generationIn(takesOver ? formerValue : value);
    if (valid !== undefined || (takesOver && isGenerationOf(formerValue, serverId))) return told;
    if (this.knewAll) return this.generations.knowledge && this.lost(this.generations.knowledge, isRetry);
    if (serverId === undefined || !this.store.shared)
      return { knownSinceSeconds: 0, firstSightsSinceSeconds: 0 };
    const nowMs = this.store.nowMs();
    if (this.loss?.losses !== losses) this.loss = { atMs: nowMs, losses };
    if (nowMs - this.loss.atMs < this.siblingsMs) return 'later';
    return told !== undefined && (await this.store.keepsWrites()) ? told : undefined;
  }

  /** @returns this replica's own knowledge, if another one that knew less has told */
  private betterThan(told: Knowledge | undefined): Knowledge | undefined {
    const { knowledge } = this.generations;
    if (!this.knewAll || !told || !knowledge) return undefined;
    if (knowledge.knownSinceSeconds >= told.knownSinceSeconds) return undefined;
    return { ...told, knownSinceSeconds: knowledge.knownSinceSeconds };
  }

  private lost(knowledge: Knowledge, isRetry: boolean): Knowledge {
    if (!isRetry)
      this.log.warn(
        {},
        'Redis is not the one that it was: what was revoked is written back before it is trusted',
      );
    return { ...knowledge, firstSightsSinceSeconds: Math.ceil(this.store.nowMs() / 1000) };
  }

  /** Since the loss this process has heard all revocations; if nothing was lost, all there ever were. */
  private founded(): Knowledge {
    this.log.warn(
      {},
      'Redis is empty or may be older than it was, and no user-token is left that knows what was revoked: tokens of before follow DENIALS_UNKNOWN',
    );
    const lostAtMs = this.loss?.losses === this.announcements.losses ? this.loss.atMs : this.store.nowMs();
    // Revocations earlier in that second are not known either.
    const sinceSeconds = Math.floor(lostAtMs / 1000) + 1;
    return { knownSinceSeconds: sinceSeconds, firstSightsSinceSeconds: sinceSeconds };
  }
}

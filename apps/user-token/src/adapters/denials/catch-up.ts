import { setTimeout as delay } from 'node:timers/promises';
import type { KeyValues, ServerFacts } from '@app/store';
import { GENERATION_KEY } from '@app/contract';
import type { Log } from '../../core/log.js';
import type { Announcements } from './announcements.js';
import type { DenialCopy } from './denial-copy.js';
import type { Generations } from './generations.js';
import type { StoreHealer } from './store-healer.js';

/** Interval of checks whether the store is still the same. Each look-up of a token checks as well. */
const CHECK_MS = 1_000;
const SWEPT_AT_ONCE = 1_000;
const PAUSE_MS = 50;
const MIN_BACKOFF_MS = 1_000;
/** A Redis that is full for hours is not read completely every second. */
const MAX_BACKOFF_MS = 5_000;

/** Decides when store and copy are made equal: at the start, after each gap, and as soon as the store is another one. */
export class CatchUp {
  private state: 'idle' | 'running' | 'closed' = 'idle';
  private failures = 0;
  private retry: NodeJS.Timeout | undefined;
  private readonly checking: NodeJS.Timeout;
  private readonly unsubscribe: () => void;

  constructor(
    private readonly store: KeyValues & ServerFacts,
    private readonly copy: DenialCopy,
    private readonly generations: Generations,
    private readonly announcements: Announcements,
    private readonly healer: StoreHealer,
    private readonly log: Log,
  ) {
    announcements.onChange(() => void this.run());
    this.unsubscribe = store.onAvailable(() => {
      announcements.answered(announcements.currentGap);
      void this.run();
    });
    this.checking = setInterval(() => this.check(), CHECK_MS).unref();
  }

  /** As {@link Generations.trusts}; catches up where the answer is no. */
  trusts(generation: string | null | undefined, serverId: string | undefined): boolean {
    const trusted = this.generations.trusts(generation, serverId);
    if (!trusted && this.store.serverId !== undefined && !this.retry) void this.run();
    return trusted;
  }

  close(): void {
    this.state = 'closed';
    clearInterval(this.checking);
    clearTimeout(this.retry);
    this.unsubscribe();
  }

  private check(): void {
    this.copy.sweep(SWEPT_AT_ONCE);
    if (!this.store.available) return;
    // After a gap that began while Redis was slow, no other event starts it.
    if ((this.announcements.currentGap || this.copy.hasRoomAgain) && !this.retry) void this.run();
    const { serverId } = this.store;
    this.store.getMany([GENERATION_KEY]).then(
      ([generation]) => this.trusts(generation, serverId),
      () => undefined,
    );
  }

  private get possible(): boolean {
    return this.state !== 'closed' && this.announcements.live && this.store.available;
  }

  private async run(): Promise<void> {
    if (this.state === 'running' || !this.possible) return;
    this.state = 'running';
    clearTimeout(this.retry);
    this.retry = undefined;
    try {
      while (this.possible && !(await this.healer.heal(this.failures > 0))) await delay(PAUSE_MS);
      this.failures = 0;
    } catch (error) {
      if (this.failures === 0)
        this.log.warn({ err: error }, 'the denials in Redis could not be read or completed');
      this.failures += 1;
      if (!this.isClosed) this.retryLater();
    } finally {
      if (!this.isClosed) this.state = 'idle';
    }
  }

  private get isClosed(): boolean {
    return this.state === 'closed';
  }

  private retryLater(): void {
    const backoffMs = Math.min(MAX_BACKOFF_MS, MIN_BACKOFF_MS * 2 ** (this.failures - 1));
    this.retry = setTimeout(() => {
      this.retry = undefined;
      void this.run();
    }, backoffMs).unref();
  }
}

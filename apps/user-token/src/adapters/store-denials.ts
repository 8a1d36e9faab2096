import { randomBytes } from 'node:crypto';
import type { SharedStore, Subscription, Write } from '@app/redis';
import { StoreUnavailable } from '@app/redis';
import { EPOCH_CHANNEL, epochKey, subjectKey } from '@app/user-token-client';
import { z } from 'zod';
import {
  Denials,
  DenialsUnknown,
  type DeniedToken,
  type DenialStatus,
  type TokenFacts,
} from '../core/denials.js';
import type { Log } from '../core/log.js';

export interface StoreDenialsOptions {
  /** What to do while Redis is away and this process has never seen its denials: answer 503, or let tokens pass. */
  readonly whenUnknown: 'refuse' | 'accept';
  /** How long a subject's denial is kept: as long as any token or session of before could last. */
  readonly subjectDenialSeconds: number;
  /** How far ahead of ours the issuer's clock may be: a token of before a subject's denial may carry a time so much later. */
  readonly clockToleranceSeconds: number;
  /** How many denials are kept in this process. Beyond it the copy is incomplete and counts as unknown. */
  readonly maxLocal: number;
}

/** A denial as it is stored and announced. */
const denialSchema = z.union([
  /** One token, until it would have expired. */
  z.object({ subjectKey: z.string(), tokenId: z.string(), expiresAtSeconds: z.number() }),
  /** Every token of a subject that was issued up to and including this second. */
  z.object({ subjectKey: z.string(), issuedUntilSeconds: z.number(), expiresAtSeconds: z.number() }),
]);
type Denial = z.infer<typeof denialSchema>;
const announcementSchema = z.object({ denials: z.array(denialSchema) });

/** What cannot be read was written by something newer, and denies to be safe. */
const UNREADABLE: Denial = { subjectKey: '', tokenId: '', expiresAtSeconds: 0 };

/** A time during which announcements of other replicas are not heard. */
interface Gap {
  /** When Redis first answered in it (performance.now()); until then it is away for everybody, and nothing is announced. */
  answeredAtMs?: number;
}

/**
 * How long a gap in which Redis answers may last before the copy counts as incomplete, so that a connection that is lost and
 * made anew costs nobody a verdict.
 */
const CATCH_UP_MS = 1_000;
/** A Redis that is full for hours is not read from end to end every second. */
const MAX_BACKOFF_MS = 30_000;

/** How often a denial is written again that others write at the same moment. */
const MAX_TRIES = 10;
const READ_BACK_MS = 1_000;

const PREFIX = 'deny:v1:';
const tokenKey = (tokenId: string) => `${PREFIX}token:${tokenId}`;
const wholeSubjectKey = (key: string) => `${PREFIX}subject:${key}`;
const keyOf = (denial: Denial) =>
  'tokenId' in denial ? tokenKey(denial.tokenId) : wholeSubjectKey(denial.subjectKey);

/**
 * Denials in the shared store, with a copy in this process.
 *
 * The copy is fed by the announcements of other replicas, and filled from the store whenever they can be heard again, so
 * that what was revoked stays revoked while Redis is away. What the copy has and the store lacks is written back: a Redis
 * that comes back empty is healed.
 */
export class StoreDenials extends Denials {
  private readonly local = new Map<string, Denial>();
  private full = false;
  private gap: Gap | undefined = { answeredAtMs: Number.NEGATIVE_INFINITY };
  private losses = 0;
  private catchingUp = false;
  private failures = 0;
  private retry: NodeJS.Timeout | undefined;
  private readonly subscription: Subscription;
  private readonly unsubscribeAvailable: () => void;

  constructor(
    private readonly store: SharedStore,
    private readonly options: StoreDenialsOptions,
    private readonly log: Log,
  ) {
    super();
    this.subscription = store.subscribe(EPOCH_CHANNEL, (message) => this.learn(message));
    this.subscription.onLost(() => this.beginGap());
    this.subscription.onChange(() => {
      if (this.gap) void this.catchUp();
    });
    this.unsubscribeAvailable = store.onAvailable(() => {
      markAnswered(this.gap);
      void this.catchUp();
      this.reportWeaknesses().catch(() => undefined);
    });
  }

  override async status({ subject, tokenId, issuedAtSeconds }: TokenFacts): Promise<DenialStatus> {
    const keys = [wholeSubjectKey(subjectKey(subject)), tokenKey(tokenId)] as const;
    const applies = (denial: Denial | undefined) =>
      denial !== undefined &&
      ('tokenId' in denial || Math.floor(issuedAtSeconds) <= denial.issuedUntilSeconds);
    const known = keys.map((key) => this.local.get(key)).find(applies);
    if (known) return { ...deniedBy(known), epoch: null };
    const { gap } = this;
    try {
      const [epoch, ...stored] = await this.store.getMany([epochKey(subject), ...keys]);
      markAnswered(gap);
      const found = stored
        .map((value) => (value == null ? undefined : (parse(value, denialSchema) ?? UNREADABLE)))
        .find(applies);
      return { ...deniedBy(found), epoch: epoch ?? '' };
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      if (this.complete || this.options.whenUnknown === 'accept') return { denied: false, epoch: null };
      throw new DenialsUnknown({ cause: error });
    }
  }

  override async deny(subject: string, tokens: readonly DeniedToken[]): Promise<void> {
    const denials = tokens.map((token): Denial => ({ ...token, subjectKey: subjectKey(subject) }));
    await this.store.writeAll(writesOf(denials, epochKey(subject)));
    for (const denial of denials) this.remember(denial);
  }

  override async denySubject(subject: string): Promise<void> {
    const { clockToleranceSeconds, subjectDenialSeconds } = this.options;
    const issuedUntilSeconds = Math.floor(Date.now() / 1000) + clockToleranceSeconds;
    const expiresAtSeconds = issuedUntilSeconds + subjectDenialSeconds;
    const denial: Denial = { subjectKey: subjectKey(subject), issuedUntilSeconds, expiresAtSeconds };
    const key = keyOf(denial);
    let stored: string | null = null;
    for (let tries = 0; tries < MAX_TRIES; tries += 1) {
      // Whoever was held up on the way here must not take back what was denied since.
      const since = stored === null ? undefined : parse(stored, denialSchema);
      const inForce = since && isLater(since, denial) ? since : denial;
      if (await this.store.writeAllIfEqual(key, stored, writesOf([inForce], epochKey(subject))))
        return this.remember(inForce);
      [stored = null] = await this.store.getMany([key], { timeoutMs: READ_BACK_MS });
    }
    throw new StoreUnavailable('the access of this user is being revoked by many at this moment');
  }

  /** Nest's shutdown hook. */
  async onApplicationShutdown(): Promise<void> {
    this.unsubscribeAvailable();
    await this.subscription.close();
  }

  /** Whether the copy has every denial there is, but for those of the last moments before Redis went away. */
  private get complete(): boolean {
    const { answeredAtMs = Number.POSITIVE_INFINITY } = this.gap ?? {};
    return !this.full && performance.now() < answeredAtMs + CATCH_UP_MS;
  }

  private beginGap(): void {
    this.losses += 1;
    if (this.gap) return;
    const gap: Gap = (this.gap = {});
    // Had Redis gone away as a whole, that would be known by then.
    setTimeout(() => {
      if (this.store.available) markAnswered(gap);
    }, CATCH_UP_MS).unref();
  }

  /** Ends the gap, as soon as Redis answers and announcements are heard. */
  private async catchUp(): Promise<void> {
    const possible = () => this.subscription.live && this.store.available;
    if (this.catchingUp || !possible()) return;
    this.catchingUp = true;
    try {
      let merged: boolean;
      do merged = await this.merge();
      while (this.gap && possible());
      this.failures = 0;
      if (!merged) this.catchUpLater();
    } catch (error) {
      if (this.failures === 0)
        this.log.warn({ err: error }, 'the denials in Redis could not be read or completed');
      this.failures += 1;
      this.catchUpLater();
    } finally {
      this.catchingUp = false;
    }
  }

  private catchUpLater(): void {
    const backoffMs = Math.min(MAX_BACKOFF_MS, CATCH_UP_MS * 2 ** Math.max(0, this.failures - 1));
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.catchUp(), backoffMs).unref();
  }

  private async reportWeaknesses(): Promise<void> {
    for (const weakness of await this.store.weaknesses())
      this.log.warn({}, `Redis can lose what was revoked: ${weakness}`);
  }

  /** Brings store and copy to the union of both. @returns whether nobody wrote at the same time what may be earlier than ours */
  private async merge(): Promise<boolean> {
    const { losses } = this;
    this.forgetExpired();
    // What is learned from here on is in the store already.
    const before = [...this.local];
    const stored = new Map<string, { readonly denial: Denial | undefined; readonly value: string }>();
    for await (const { key, value } of this.store.scan(PREFIX)) {
      const denial = parse(value, denialSchema);
      stored.set(key, { denial, value });
      if (denial) this.remember(denial);
    }
    this.full = this.local.size >= this.options.maxLocal;
    // Whatever was written during the scan has been announced, unless announcements were lost once more.
    if (losses === this.losses) this.gap = undefined;
    let merged = true;
    for (const [key, denial] of before) {
      const found = stored.get(key);
      // What cannot be read was written by something newer, and denies by itself.
      if (found && !(found.denial && isLater(denial, found.denial))) continue;
      const writes = writesOf([denial], `epoch:v1:${denial.subjectKey}`);
      // Somebody may have written a later one since.
      if (!(await this.store.writeAllIfEqual(key, found?.value ?? null, writes))) merged = false;
    }
    return merged;
  }

  private learn(message: string): void {
    for (const denial of parse(message, announcementSchema)?.denials ?? []) this.remember(denial);
  }

  private remember(denial: Denial): void {
    if (this.local.size >= this.options.maxLocal) this.forgetExpired();
    if (this.local.size >= this.options.maxLocal) {
      if (!this.full)
        this.log.warn({ maxLocal: this.options.maxLocal }, 'the local copy of the denials is full');
      this.full = true;
      return;
    }
    const key = keyOf(denial);
    const known = this.local.get(key);
    // A message that is late, or an older copy in the store, must not take back what is known.
    if (!known || !isLater(known, denial)) this.local.set(key, denial);
  }

  private forgetExpired(): void {
    const nowSeconds = Date.now() / 1000;
    for (const [key, { expiresAtSeconds }] of this.local) {
      if (expiresAtSeconds <= nowSeconds) this.local.delete(key);
    }
  }
}

function isLater(denial: Denial, than: Denial): boolean {
  return (
    'issuedUntilSeconds' in denial &&
    'issuedUntilSeconds' in than &&
    denial.issuedUntilSeconds > than.issuedUntilSeconds
  );
}

function markAnswered(gap: Gap | undefined): void {
  if (gap) gap.answeredAtMs ??= performance.now();
}

function deniedBy(denial: Denial | undefined): Omit<DenialStatus, 'epoch'> {
  const issuedUntilSeconds = denial && 'issuedUntilSeconds' in denial ? denial.issuedUntilSeconds : undefined;
  return { denied: denial !== undefined, issuedUntilSeconds };
}

/**
 * How long an epoch outlives its last change. It has to outlive every cache entry that was made before that change, so it
 * exceeds any sensible cache life by far.
 */
const EPOCH_TTL_MS = 7 * 24 * 3600 * 1000;

function writesOf(denials: readonly Denial[], key: string): Write[] {
  const nowMs = Date.now();
  const inForce = denials.filter((denial) => denial.expiresAtSeconds * 1000 > nowMs);
  const epoch = randomBytes(16).toString('base64url');
  const [{ subjectKey: subject } = { subjectKey: '' }] = denials;
  return [
    ...inForce.map((denial): Write => {
      const ttlMs = Math.ceil(denial.expiresAtSeconds * 1000 - nowMs);
      return { op: 'set', key: keyOf(denial), value: JSON.stringify(denial), ttlMs };
    }),
    { op: 'set', key, value: epoch, ttlMs: EPOCH_TTL_MS },
    {
      op: 'publish',
      channel: EPOCH_CHANNEL,
      message: JSON.stringify({ subjectKey: subject, epoch, denials: inForce }),
    },
  ];
}

function parse<T>(json: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}

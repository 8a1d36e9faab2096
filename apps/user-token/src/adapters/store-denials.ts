import { randomBytes } from 'node:crypto';
import type { SharedStore, Subscription, Write } from '@app/redis';
import { StoreUnavailable } from '@app/redis';
import { EPOCH_CHANNEL, epochKey, subjectKey } from '@app/user-token-client';
import { z } from 'zod';
import { Denials, DenialsUnknown, type DeniedToken, type DenialStatus } from '../core/denials.js';
import type { Log } from '../core/log.js';

export interface StoreDenialsOptions {
  /** What to do while Redis is away and this process has never seen its denials: answer 503, or let tokens pass. */
  readonly whenUnknown: 'refuse' | 'accept';
  /** How many denials are kept in this process. Beyond it the copy is incomplete and counts as unknown. */
  readonly maxLocal: number;
}

/** A denial as it is stored and announced: what it denies, and for whom. */
const denialSchema = z.object({ tokenId: z.string(), subjectKey: z.string(), expiresAtSeconds: z.number() });
type Denial = z.infer<typeof denialSchema>;
const announcementSchema = z.object({ denials: z.array(denialSchema) });

const PREFIX = 'deny:v1:';

/**
 * Denials in the shared store, with a copy in this process.
 *
 * The copy is filled from the store whenever the connection comes up and fed by the announcements of other replicas, so
 * that what was revoked stays revoked while Redis is away. What the copy has and the store lacks is written back: a Redis
 * that comes back empty is healed.
 */
export class StoreDenials extends Denials {
  private readonly local = new Map<string, Denial>();
  private complete = false;
  private readonly subscription: Subscription;
  private readonly unsubscribeAvailable: () => void;

  constructor(
    private readonly store: SharedStore,
    private readonly options: StoreDenialsOptions,
    private readonly log: Log,
  ) {
    super();
    this.subscription = store.subscribe(EPOCH_CHANNEL, (message) => this.learn(message));
    this.unsubscribeAvailable = store.onAvailable(() => {
      this.merge().catch((error: unknown) =>
        this.log.warn({ err: error }, 'the denials in Redis could not be read'),
      );
    });
  }

  override async status(subject: string, tokenId: string): Promise<DenialStatus> {
    if (this.isDeniedLocally(tokenId)) return { denied: true, epoch: null };
    try {
      const [epoch, denial] = await this.store.getMany([epochKey(subject), PREFIX + tokenId]);
      return { denied: denial != null, epoch: epoch ?? '' };
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

  /** Nest's shutdown hook. */
  async onApplicationShutdown(): Promise<void> {
    this.unsubscribeAvailable();
    await this.subscription.close();
  }

  /** Brings store and copy to the union of both. */
  private async merge(): Promise<void> {
    this.forgetExpired();
    const stored = new Set<string>();
    for await (const { value } of this.store.scan(PREFIX)) {
      const denial = parse(value, denialSchema);
      if (!denial) continue;
      stored.add(denial.tokenId);
      this.remember(denial);
    }
    for (const denial of this.local.values()) {
      if (!stored.has(denial.tokenId)) {
        await this.store.writeAll(writesOf([denial], `epoch:v1:${denial.subjectKey}`));
      }
    }
    this.complete = this.local.size < this.options.maxLocal;
  }

  private learn(message: string): void {
    for (const denial of parse(message, announcementSchema)?.denials ?? []) this.remember(denial);
  }

  private remember(denial: Denial): void {
    if (this.local.size >= this.options.maxLocal) this.forgetExpired();
    if (this.local.size >= this.options.maxLocal) {
      if (this.complete)
        this.log.warn({ maxLocal: this.options.maxLocal }, 'the local copy of the denials is full');
      this.complete = false;
      return;
    }
    this.local.set(denial.tokenId, denial);
  }

  private isDeniedLocally(tokenId: string): boolean {
    return this.local.has(tokenId);
  }

  private forgetExpired(): void {
    const nowSeconds = Date.now() / 1000;
    for (const { tokenId, expiresAtSeconds } of this.local.values()) {
      if (expiresAtSeconds <= nowSeconds) this.local.delete(tokenId);
    }
  }
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
      return { op: 'set', key: PREFIX + denial.tokenId, value: JSON.stringify(denial), ttlMs };
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

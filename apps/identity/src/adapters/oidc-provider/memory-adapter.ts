/**
 * The state of oidc-provider, in this process's memory, so that a restart logs out all users.
 *
 * Each entry lives exactly as long as its token; all kinds together are bounded, and new entries are refused when there is no
 * room.
 */
import { LRUCache } from 'lru-cache';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { nowInSeconds, type Clock } from '../../core/clock.js';
import { Overloaded } from '../../core/overloaded.js';
import { errors } from './oidc-provider.js';
import { toClockTime, toProviderTime } from './provider-time.js';

export interface MemoryOptions {
  /** Maximum number of entries. Default 100,000. */
  readonly maxEntries?: number;
}

export interface MemoryAdapterOptions extends MemoryOptions {
  readonly clock: Clock;
  /** How long a client's previous refresh token may still be used; 0: never. */
  readonly refreshTokenLeewaySeconds: (clientId: string) => number;
}

export interface MemoryAdapters {
  /** Called by oidc-provider for the adapter of a model. */
  readonly adapter: (model: string) => Adapter;
  /** @throws {Overloaded} when there is no room for the entries of a log-in */
  readonly assertRoomForLogIn: () => void;
}

/** Log-ins leave the rest to refreshes of existing sessions. */
const SHARE_OF_LOG_INS = 0.9;
/** Maximum entries of a refresh: the next refresh token, and an opaque access token. */
const ENTRIES_OF_REFRESH = 2;
/** For accepted requests that are not stored yet. */
const ENTRIES_UNDER_WAY = 1_000;
const RETRY_AFTER_SECONDS = 60;
const PURGE_EVERY_MS = 1_000;

/** One store per provider: two providers in one process share nothing. */
export function createMemoryAdapters(options: MemoryAdapterOptions): MemoryAdapters {
  const store = new Store(options);
  return {
    adapter: (model) => {
      const Kind = model === 'RefreshToken' ? RefreshTokens : MemoryAdapter;
      return new Kind(model, store, options);
    },
    assertRoomForLogIn: () => store.assertRoom(SHARE_OF_LOG_INS),
  };
}

/** Tokens issued under one grant, and revoked with it. */
interface Family {
  readonly keys: Set<string>;
  /** The last rotated refresh token, the only one with leeway. */
  lastConsumedKey?: string;
}

class Store {
  readonly families = new Map<string, Family>();
  readonly payloads: LRUCache<string, AdapterPayload>;
  private readonly maxEntries: number;
  private readonly clock: Clock;
  private purgedAtMs = 0;

  constructor({ maxEntries = 100_000, clock }: MemoryAdapterOptions) {
    this.maxEntries = maxEntries;
    this.clock = clock;
    this.payloads = new LRUCache<string, AdapterPayload>({
      max: maxEntries + ENTRIES_UNDER_WAY,
      perf: { now: () => clock.nowMs() },
      // A remembered time would be that of before a move of the clock.
      ttlResolution: 0,
      dispose: ({ grantId }, key, reason) => {
        if (grantId !== undefined && reason !== 'set') this.leaveFamily(grantId, key);
      },
    });
  }

  /**
   * @param share of the store that may be full
   * @throws {Overloaded}
   */
  assertRoom(share = 1, entries = 1): void {
    this.assertFits(Math.floor(this.maxEntries * share) - entries);
  }

  private assertFits(maxBefore: number): void {
    if (this.payloads.size <= maxBefore) return;
    const nowMs = this.clock.nowMs();
    // A clock may be moved back.
    if (Math.abs(nowMs - this.purgedAtMs) >= PURGE_EVERY_MS) {
      this.purgedAtMs = nowMs;
      this.payloads.purgeStale();
    }
    if (this.payloads.size <= maxBefore) return;
    throw new Overloaded('no room for more tokens until some expire', RETRY_AFTER_SECONDS);
  }

  put(key: string, payload: AdapterPayload, expiresInSeconds?: number): void {
    // Live entries must stay, so the cache must never need to evict.
    if (!this.payloads.has(key)) this.assertFits(this.payloads.max - 1);
    const ttl = expiresInSeconds === undefined ? {} : { ttl: expiresInSeconds * 1000 };
    if (payload.grantId !== undefined) this.family(payload.grantId).keys.add(key);
    this.payloads.set(key, payload, ttl);
  }

  family(grantId: string): Family {
    const family = this.families.get(grantId) ?? { keys: new Set<string>() };
    this.families.set(grantId, family);
    return family;
  }

  revokeFamily(grantId: string): void {
    for (const key of this.families.get(grantId)?.keys ?? []) this.payloads.delete(key);
  }

  private leaveFamily(grantId: string, key: string): void {
    const family = this.families.get(grantId);
    family?.keys.delete(key);
    if (family?.keys.size === 0) this.families.delete(grantId);
  }
}

class MemoryAdapter implements Adapter {
  constructor(
    private readonly model: string,
    protected readonly store: Store,
    protected readonly options: MemoryAdapterOptions,
  ) {}

  upsert(id: string, payload: AdapterPayload, expiresInSeconds?: number): Promise<void> {
    this.store.put(this.key(id), toClockTime(payload, this.options.clock), expiresInSeconds);
    return Promise.resolve();
  }

  find(id: string): Promise<AdapterPayload | undefined> {
    return Promise.resolve(this.forProvider(this.store.payloads.get(this.key(id))));
  }

  consume(id: string): Promise<void> {
    const payload = this.store.payloads.get(this.key(id));
    if (payload) payload.consumed ??= nowInSeconds(this.options.clock);
    return Promise.resolve();
  }

  destroy(id: string): Promise<void> {
    this.store.payloads.delete(this.key(id));
    return Promise.resolve();
  }

  revokeByGrantId(grantId: string): Promise<void> {
    this.store.revokeFamily(grantId);
    return Promise.resolve();
  }

  /** Used only by interactive sessions and the device flow, which are not offered. */
  findByUid(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  findByUserCode(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  protected forProvider(payload: AdapterPayload | undefined): AdapterPayload | undefined {
    return payload && toProviderTime(payload, this.options.clock);
  }

  protected key(id: string): string {
    return `${this.model}:${id}`;
  }
}

/** Leeway: the last rotated token counts as unused for a while; any older one is reuse. */
class RefreshTokens extends MemoryAdapter {
  override find(id: string): Promise<AdapterPayload | undefined> {
    const payload = this.store.payloads.get(this.key(id));
    const unused = payload?.consumed !== undefined && this.withinLeeway(id, payload);
    return Promise.resolve(this.forProvider(unused ? { ...payload, consumed: undefined } : payload));
  }

  /** If two requests both found the token unused, the second is still reuse. */
  override async consume(id: string): Promise<void> {
    const payload = this.store.payloads.get(this.key(id));
    const grantId = payload?.grantId;
    if (!payload || grantId === undefined) throw new errors.InvalidGrant('refresh token not found');
    if (payload.consumed !== undefined && !this.withinLeeway(id, payload)) {
      await this.revokeByGrantId(grantId);
      throw new errors.InvalidGrant('refresh token already used');
    }
    // A consumed token cannot become unused again.
    this.store.assertRoom(1, ENTRIES_OF_REFRESH);
    await super.consume(id);
    this.store.family(grantId).lastConsumedKey = this.key(id);
  }

  private withinLeeway(id: string, { consumed, clientId, grantId }: AdapterPayload): boolean {
    if (typeof consumed !== 'number' || clientId === undefined || grantId === undefined) return false;
    const rotatedLast = this.store.family(grantId).lastConsumedKey === this.key(id);
    const { clock, refreshTokenLeewaySeconds } = this.options;
    return rotatedLast && nowInSeconds(clock) < consumed + refreshTokenLeewaySeconds(clientId);
  }
}

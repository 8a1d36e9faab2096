/**
 * Where oidc-provider keeps its state: this process's memory, so that a restart logs everybody out.
 *
 * Each entry lives as long as its token and no longer; all kinds together are bounded, the longest unused go first.
 */
import { LRUCache } from 'lru-cache';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { errors } from './oidc-provider.js';

const maxEntries = 100_000;

export interface MemoryAdapterOptions {
  /** How long a client's previous refresh token may still be presented; 0: never. */
  readonly refreshTokenLeewaySeconds: (clientId: string) => number;
}

/** One store per provider: two providers in one process share nothing. */
export function createMemoryAdapter(options: MemoryAdapterOptions): (model: string) => Adapter {
  const store = new Store();
  return (model) =>
    model === 'RefreshToken' ? new RefreshTokens(model, store, options) : new MemoryAdapter(model, store);
}

/** What was issued under one grant and is revoked with it. */
interface Family {
  readonly keys: Set<string>;
  /** The refresh token rotated last: the only one leeway applies to. */
  lastConsumedKey?: string;
}

class Store {
  readonly families = new Map<string, Family>();
  readonly payloads = new LRUCache<string, AdapterPayload>({
    max: maxEntries,
    dispose: ({ grantId }, key, reason) => {
      if (grantId !== undefined && reason !== 'set') this.leaveFamily(grantId, key);
    },
  });

  put(key: string, payload: AdapterPayload, expiresInSeconds?: number): void {
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
  ) {}

  upsert(id: string, payload: AdapterPayload, expiresInSeconds?: number): Promise<void> {
    this.store.put(this.key(id), payload, expiresInSeconds);
    return Promise.resolve();
  }

  find(id: string): Promise<AdapterPayload | undefined> {
    return Promise.resolve(this.store.payloads.get(this.key(id)));
  }

  consume(id: string): Promise<void> {
    const payload = this.store.payloads.get(this.key(id));
    if (payload) payload.consumed ??= Date.now() / 1000;
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

  /** Only used by interactive sessions and the device flow, which are not offered. */
  findByUid(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  findByUserCode(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  protected key(id: string): string {
    return `${this.model}:${id}`;
  }
}

/** Auth0's leeway: the token rotated last counts as unused for a while; any older one is reuse. */
class RefreshTokens extends MemoryAdapter {
  constructor(
    model: string,
    store: Store,
    private readonly options: MemoryAdapterOptions,
  ) {
    super(model, store);
  }

  override find(id: string): Promise<AdapterPayload | undefined> {
    const payload = this.store.payloads.get(this.key(id));
    const unused = payload?.consumed !== undefined && this.withinLeeway(id, payload);
    return Promise.resolve(unused ? { ...payload, consumed: undefined } : payload);
  }

  /** Of two requests that both found the token unused, the second is reuse all the same. */
  override async consume(id: string): Promise<void> {
    const payload = this.store.payloads.get(this.key(id));
    const grantId = payload?.grantId;
    if (!payload || grantId === undefined) throw new errors.InvalidGrant('refresh token not found');
    if (payload.consumed !== undefined && !this.withinLeeway(id, payload)) {
      await this.revokeByGrantId(grantId);
      throw new errors.InvalidGrant('refresh token already used');
    }
    await super.consume(id);
    this.store.family(grantId).lastConsumedKey = this.key(id);
  }

  private withinLeeway(id: string, { consumed, clientId, grantId }: AdapterPayload): boolean {
    if (typeof consumed !== 'number' || clientId === undefined || grantId === undefined) return false;
    const rotatedLast = this.store.family(grantId).lastConsumedKey === this.key(id);
    return rotatedLast && Date.now() / 1000 < consumed + this.options.refreshTokenLeewaySeconds(clientId);
  }
}
